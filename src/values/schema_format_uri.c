/*
 * schema_format_uri.c
 *		uri, iri and their references (RFC 3986, RFC 3987), uri-template
 *		(RFC 6570).
 */
#include "values/schema_private.h"

#include "mb/pg_wchar.h"

static inline bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Is the character outside ASCII one that an IRI may hold? */
static bool
is_ucschar(const char *s, bool query)
{
	uint32		c = utf8_to_unicode((const unsigned char *) s);

	if ((c & 0xFFFE) == 0xFFFE)
		return false;
	if (c >= 0xE000 && c <= 0xF8FF)
		return query;			/* private use */
	if (c >= 0xF0000)
		return query;
	return (c >= 0xA0 && c <= 0xD7FF) || (c >= 0xF900 && c <= 0xFDCF) ||
		(c >= 0xFDF0 && c <= 0xFFEF) || (c >= 0x10000 && !(c >= 0xE0000 && c <= 0xE0FFF));
}

/*
 * Only unreserved characters, percent-encodings, sub-delims and those in
 * also; with iri, letters of all scripts too.
 */
static bool
is_text(const char *s, int len, const char *also, bool iri, bool query)
{
	for (int i = 0; i < len; i++)
	{
		if (is_alnum(s[i]))
			continue;
		if ((unsigned char) s[i] >= 0x80)
		{
			if (!iri || !is_ucschar(s + i, query))
				return false;
			i += pg_utf_mblen((const unsigned char *) s + i) - 1;
		}
		else if (s[i] == '%')
		{
			if (len - i < 3 || !isxdigit((unsigned char) s[i + 1]) || !isxdigit((unsigned char) s[i + 2]))
				return false;
			i += 2;
		}
		else if (s[i] == '\0' || (!strchr("-._~!$&'()*+,;=", s[i]) && !strchr(also, s[i])))
			return false;
	}
	return true;
}

/* What stands between brackets: IPv6 or IPvFuture. */
static bool
is_ip_literal(const char *s, int len)
{
	int			i = 1;

	if (len == 0 || (s[0] != 'v' && s[0] != 'V'))
		return meter_schema_format_ipv6(s, len);
	while (i < len && isxdigit((unsigned char) s[i]))
		i++;
	return i > 1 && len - i > 1 && s[i] == '.' && memchr(s, '%', len) == NULL &&
		is_text(s + i + 1, len - i - 1, ":", false, false);
}

/* userinfo@host:port */
static bool
is_authority(const char *s, int len, bool iri)
{
	const char *at = memchr(s, '@', len);
	int			host;

	if (at)
	{
		if (!is_text(s, at - s, ":", iri, false))
			return false;
		len -= at + 1 - s;
		s = at + 1;
	}
	if (len > 0 && s[0] == '[')
	{
		const char *close = memchr(s, ']', len);

		if (close == NULL || !is_ip_literal(s + 1, close - s - 1))
			return false;
		host = close + 1 - s;
	}
	else
	{
		const char *colon = memchr(s, ':', len);

		host = colon ? colon - s : len;
		if (!is_text(s, host, "", iri, false))
			return false;
	}
	if (host == len)
		return true;
	if (s[host] != ':')
		return false;
	for (int i = host + 1; i < len; i++)
	{
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return true;
}

/* The length of a scheme with its colon, or 0. */
static int
scheme_end(const char *s, int len)
{
	if (len == 0 || !isalpha((unsigned char) s[0]))
		return 0;
	for (int i = 1; i < len; i++)
	{
		if (s[i] == ':')
			return i + 1;
		if (!is_alnum(s[i]) && s[i] != '+' && s[i] != '-' && s[i] != '.')
			return 0;
	}
	return 0;
}

static bool
is_reference(const char *s, int len, bool iri, bool absolute)
{
	int			scheme = scheme_end(s, len);
	const char *mark = memchr(s, '#', len);
	const char *colon;
	int			segment;

	if (absolute && scheme == 0)
		return false;
	if (mark)
	{
		if (!is_text(mark + 1, s + len - mark - 1, ":@/?", iri, false))
			return false;
		len = mark - s;
	}
	mark = memchr(s, '?', len);
	if (mark)
	{
		if (!is_text(mark + 1, s + len - mark - 1, ":@/?", iri, true))
			return false;
		len = mark - s;
	}
	s += scheme;
	len -= scheme;
	if (len >= 2 && s[0] == '/' && s[1] == '/')
	{
		const char *slash = memchr(s + 2, '/', len - 2);
		int			authority = slash ? slash - s - 2 : len - 2;

		if (!is_authority(s + 2, authority, iri))
			return false;
		s += 2 + authority;
		len -= 2 + authority;
	}
	else if (scheme == 0)
	{
		/* a colon in the first segment would make it a scheme */
		const char *slash = memchr(s, '/', len);

		segment = slash ? slash - s : len;
		colon = memchr(s, ':', segment);
		if (colon)
			return false;
	}
	return is_text(s, len, ":@/", iri, false);
}

bool
meter_schema_format_uri(const char *s, int len)
{
	return is_reference(s, len, false, true);
}

bool
meter_schema_format_uri_reference(const char *s, int len)
{
	return is_reference(s, len, false, false);
}

bool
meter_schema_format_iri(const char *s, int len)
{
	return is_reference(s, len, true, true);
}

bool
meter_schema_format_iri_reference(const char *s, int len)
{
	return is_reference(s, len, true, false);
}

/* One variable of an expression with its modifier: name, name:3, name*. */
static bool
is_varspec(const char *s, int len)
{
	int			i = 0;
	bool		dot = true;		/* a name must come next */

	while (i < len && s[i] != ':' && s[i] != '*')
	{
		if (s[i] == '.')
		{
			if (dot)
				return false;
			dot = true;
			i++;
			continue;
		}
		if (s[i] == '%' && len - i >= 3 && isxdigit((unsigned char) s[i + 1]) &&
			isxdigit((unsigned char) s[i + 2]))
			i += 3;
		else if (is_alnum(s[i]) || s[i] == '_')
			i++;
		else
			return false;
		dot = false;
	}
	if (dot)
		return false;
	if (i == len || (s[i] == '*' && i + 1 == len))
		return true;
	if (s[i] != ':' || len - i < 2 || len - i > 5 || s[i + 1] == '0')
		return false;
	for (i++; i < len; i++)
	{
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return true;
}

/* What stands between braces. */
static bool
is_template_expression(const char *s, int len)
{
	if (len > 0 && s[0] != '\0' && strchr("+#./;?&", s[0]))
	{
		s++;
		len--;
	}
	for (;;)
	{
		const char *comma = memchr(s, ',', len);
		int			n = comma ? comma - s : len;

		if (!is_varspec(s, n))
			return false;
		if (comma == NULL)
			return true;
		s += n + 1;
		len -= n + 1;
	}
}

bool
meter_schema_format_uri_template(const char *s, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (s[i] == '{')
		{
			const char *close = memchr(s + i, '}', len - i);

			if (close == NULL || !is_template_expression(s + i + 1, close - s - i - 1))
				return false;
			i = close - s;
		}
		else if (s[i] == '%')
		{
			if (len - i < 3 || !isxdigit((unsigned char) s[i + 1]) || !isxdigit((unsigned char) s[i + 2]))
				return false;
		}
		else if ((unsigned char) s[i] < 0x80 &&
				 (s[i] <= 0x20 || s[i] == 0x7F || strchr("\"<>\\^`|}", s[i])))
			return false;
	}
	return true;
}
