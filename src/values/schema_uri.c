/*
 * schema_uri.c
 *		URI references: how $id and $ref find each other.
 *
 * RFC 3986, section 5: a reference is split into its five parts, put over the
 * base's, and dots are taken out of the path.  URIs are compared as texts
 * afterwards, as JSON Schema allows.  The base may itself be relative (a
 * schema without an absolute $id); the same rules then give a relative URI
 * that is good enough to be compared.
 */
#include "values/schema_private.h"

typedef struct UriParts
{
	const char *scheme;			/* NULL where absent, as all of these */
	const char *authority;
	const char *path;			/* never NULL */
	const char *query;
} UriParts;

/* Is there a scheme?  Returns its length, or 0. */
static int
scheme_length(const char *uri)
{
	int			i = 0;

	if (!((uri[0] | 0x20) >= 'a' && (uri[0] | 0x20) <= 'z'))
		return 0;
	for (i = 1; uri[i] != ':'; i++)
	{
		char		c = uri[i];

		if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9') &&
			c != '+' && c != '-' && c != '.')
			return 0;
	}
	return i;
}

/* Take a URI without fragment apart (appendix B of the RFC). */
static void
split_uri(const char *uri, UriParts *parts)
{
	int			len = scheme_length(uri);
	const char *mark;

	memset(parts, 0, sizeof(*parts));
	if (len > 0)
	{
		parts->scheme = pnstrdup(uri, len);
		uri += len + 1;
	}
	mark = strchr(uri, '?');
	if (mark)
	{
		parts->query = pstrdup(mark + 1);
		uri = pnstrdup(uri, mark - uri);
	}
	if (uri[0] == '/' && uri[1] == '/')
	{
		len = strcspn(uri + 2, "/");
		parts->authority = pnstrdup(uri + 2, len);
		uri += 2 + len;
	}
	parts->path = uri;
}

/* Drop the last segment that was written, with its slash. */
static void
drop_segment(StringInfo out)
{
	while (out->len > 0)
	{
		out->len--;
		if (out->data[out->len] == '/')
			break;
	}
	out->data[out->len] = '\0';
}

/* Section 5.2.4: "." and ".." segments go. */
static char *
remove_dots(const char *path)
{
	StringInfoData out;

	initStringInfo(&out);
	while (*path)
	{
		int			len;

		if (strncmp(path, "../", 3) == 0)
			path += 3;
		else if (strncmp(path, "./", 2) == 0)
			path += 2;
		else if (strncmp(path, "/./", 3) == 0)
			path += 2;
		else if (strcmp(path, "/.") == 0)
		{
			appendStringInfoChar(&out, '/');
			break;
		}
		else if (strncmp(path, "/../", 4) == 0)
		{
			drop_segment(&out);
			path += 3;
		}
		else if (strcmp(path, "/..") == 0)
		{
			drop_segment(&out);
			appendStringInfoChar(&out, '/');
			break;
		}
		else if (strcmp(path, ".") == 0 || strcmp(path, "..") == 0)
			break;
		else
		{
			len = (path[0] == '/') + strcspn(path + (path[0] == '/'), "/");
			appendBinaryStringInfo(&out, path, len);
			path += len;
		}
	}
	return out.data;
}

/* Section 5.2.3: a relative path takes the place of the base's last segment. */
static char *
merge_paths(const UriParts *base, const char *path)
{
	const char *slash = strrchr(base->path, '/');

	if (base->authority && base->path[0] == '\0')
		return psprintf("/%s", path);
	if (slash == NULL)
		return pstrdup(path);
	return psprintf("%.*s%s", (int) (slash + 1 - base->path), base->path, path);
}

/* Put parts together again. */
static char *
join_uri(const UriParts *parts)
{
	StringInfoData out;

	initStringInfo(&out);
	if (parts->scheme)
		appendStringInfo(&out, "%s:", parts->scheme);
	if (parts->authority)
		appendStringInfo(&out, "//%s", parts->authority);
	appendStringInfoString(&out, parts->path);
	if (parts->query)
		appendStringInfo(&out, "?%s", parts->query);
	return out.data;
}

/* A reference seen from base; neither has a fragment. */
char *
meter_schema_uri_resolve(const char *base, const char *reference)
{
	UriParts	b,
				r,
				t;

	split_uri(reference, &r);
	split_uri(base, &b);
	t = r;
	if (r.scheme)
		t.path = remove_dots(r.path);
	else
	{
		t.scheme = b.scheme;
		if (r.authority)
			t.path = remove_dots(r.path);
		else
		{
			t.authority = b.authority;
			if (r.path[0] == '\0')
			{
				t.path = b.path;
				if (!r.query)
					t.query = b.query;
			}
			else if (r.path[0] == '/')
				t.path = remove_dots(r.path);
			else
				t.path = remove_dots(merge_paths(&b, r.path));
		}
	}
	return join_uri(&t);
}

/* Cut the fragment off in place; returns it without its #, NULL without one. */
char *
meter_schema_uri_split(char *uri)
{
	char	   *mark = strchr(uri, '#');

	if (mark == NULL)
		return NULL;
	*mark = '\0';
	return mark + 1;
}

/* Undo percent-encoding in place; returns the length, -1 where malformed. */
int
meter_schema_uri_unescape(char *s)
{
	char	   *to = s;

	for (char *from = s; *from; from++)
	{
		unsigned int byte;

		if (*from != '%')
		{
			*to++ = *from;
			continue;
		}
		if (!isxdigit((unsigned char) from[1]) || !isxdigit((unsigned char) from[2]) ||
			sscanf(from + 1, "%2x", &byte) != 1 || byte == 0)
			return -1;
		*to++ = byte;
		from += 2;
	}
	*to = '\0';
	return to - s;
}
