/*
 * path.c
 *		JSON paths that lead to one value.
 *
 * A meter reads one number, one key, one dimension from a place in the event,
 * so only the accessors that lead to at most one value are here.  Wildcards,
 * filters and methods of the whole SQL/JSON path language are refused by
 * position rather than taken to mean something.
 */
#include "values/path.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"

#define MAX_PATH_LENGTH 1024
#define MAX_PATH_STEPS 32

typedef struct PathParser
{
	const char *text;
	const char *p;
	const char *end;
	MeterPath  *path;
	MeterError *err;
} PathParser;

static bool
fail(PathParser *s, const char *message)
{
	meter_error_set(s->err, "INVALID_PATH", "invalid JSON path \"%.*s\": %s",
					(int) (s->end - s->text), s->text, message);
	s->err->position = pg_mbstrlen_with_len(s->text, s->p - s->text) + 1;
	return false;
}

static bool
name_char(char c, bool first, bool bare)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) ||
		(c == '$' && !first))
		return true;
	return (c >= '0' && c <= '9' && (!first || bare)) || (bare && c == '-' && !first);
}

static bool
add_step(PathParser *s, const char *name, int namelen, int index)
{
	MeterPathStep *step;

	if (s->path->nsteps >= MAX_PATH_STEPS)
		return fail(s, "more than 32 steps");
	step = &s->path->steps[s->path->nsteps++];
	step->name = name;
	step->namelen = namelen;
	step->index = index;
	return true;
}

/* A name without quotes. */
static bool
parse_name(PathParser *s, bool bare)
{
	const char *start = s->p;

	while (s->p < s->end && name_char(*s->p, s->p == start, bare))
		s->p++;
	if (s->p == start)
		return fail(s, "expected a member name");
	return add_step(s, pnstrdup(start, s->p - start), s->p - start, 0);
}

/*
 * The character a backslash stands for, as in SQL/JSON paths.  Escapes by
 * number are refused: a path is text and can hold the character itself.
 */
static bool
unescape(PathParser *s, char *c)
{
	static const char letters[] = "\"'\\/bfnrtv";
	static const char meanings[] = "\"'\\/\b\f\n\r\t\v";
	const char *letter = memchr(letters, *s->p, strlen(letters));

	if (letter)
	{
		*c = meanings[letter - letters];
		return true;
	}
	return fail(s, "unknown escape; expected one of \" ' \\ / b f n r t v behind the backslash");
}

/* A name in quotes, which may hold anything. */
static bool
parse_quoted(PathParser *s, char quote)
{
	char	   *name = palloc(s->end - s->p);
	int			len = 0;

	for (s->p++; s->p < s->end && *s->p != quote; s->p++)
	{
		name[len] = *s->p;
		if (*s->p == '\\' && s->p + 1 < s->end)
		{
			s->p++;
			if (!unescape(s, &name[len]))
				return false;
		}
		len++;
	}
	if (s->p >= s->end)
		return fail(s, "unfinished quoted name");
	s->p++;
	name[len] = '\0';
	return add_step(s, name, len, 0);
}

static void
skip_space(PathParser *s)
{
	while (s->p < s->end && *s->p == ' ')
		s->p++;
}

static bool
parse_integer(PathParser *s, int *value)
{
	const char *start = s->p;

	*value = 0;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
	{
		if (*value > 9999999)
			return fail(s, "element number out of range");
		*value = *value * 10 + (*s->p++ - '0');
	}
	return s->p > start || fail(s, "expected an element number, last, or a quoted name");
}

/* What stands in square brackets; p is behind the opening one. */
static bool
parse_subscript(PathParser *s)
{
	int			index;

	skip_space(s);
	if (s->p < s->end && (*s->p == '\'' || *s->p == '"'))
	{
		if (!parse_quoted(s, *s->p))
			return false;
	}
	else if (s->end - s->p >= 4 && strncmp(s->p, "last", 4) == 0)
	{
		s->p += 4;
		skip_space(s);
		index = 0;
		if (s->p < s->end && *s->p == '-')
		{
			s->p++;
			skip_space(s);
			if (!parse_integer(s, &index))
				return false;
		}
		if (!add_step(s, NULL, 0, -1 - index))
			return false;
	}
	else if (!parse_integer(s, &index) || !add_step(s, NULL, 0, index))
		return false;
	skip_space(s);
	if (s->p >= s->end || *s->p != ']')
		return fail(s, "expected a closing bracket");
	s->p++;
	return true;
}

/* Compile a path; see path.h. */
MeterPath *
meter_path_compile(const char *text, int len, MeterError *err)
{
	PathParser	s = {.text = text, .p = text, .end = text + len, .err = err};
	bool		bare = len > 0 && text[0] != '$';

	if (len == 0 || len > MAX_PATH_LENGTH)
	{
		meter_error_set(err, "INVALID_PATH", "a JSON path has 1 to 1024 bytes");
		return NULL;
	}
	s.path = palloc0(offsetof(MeterPath, steps) + MAX_PATH_STEPS * sizeof(MeterPathStep));
	if (bare)
	{
		if (!parse_name(&s, true))
			return NULL;
	}
	else
		s.p++;
	while (s.p < s.end)
	{
		bool		ok;

		if (*s.p == '.')
		{
			s.p++;
			ok = s.p < s.end && *s.p == '"' ? parse_quoted(&s, '"') : parse_name(&s, bare);
		}
		else if (*s.p == '[')
		{
			s.p++;
			ok = parse_subscript(&s);
		}
		else
			ok = fail(&s, "expected .name or [element]; only accessors that lead to one value are supported");
		if (!ok)
			return NULL;
	}
	return s.path;
}

/* The value the path leads to, or -1. */
int
meter_path_find(const MeterPath *path, const MeterJson *doc, int node)
{
	for (int i = 0; i < path->nsteps && node >= 0; i++)
	{
		const MeterPathStep *step = &path->steps[i];

		if (step->name)
			node = meter_json_member(doc, node, step->name, step->namelen);
		else
			node = meter_json_element(doc, node,
									  step->index >= 0 ? step->index :
									  doc->nodes[node].count + step->index);
	}
	return node;
}

/* As meter_path_find, taking JSON null for a missing value. */
int
meter_path_find_value(const MeterPath *path, const MeterJson *doc, int node)
{
	node = meter_path_find(path, doc, node);
	if (node >= 0 && doc->nodes[node].type == METER_JSON_NULL)
		return -1;
	return node;
}

/* The JSON pointer of the place. */
char *
meter_path_pointer(const MeterPath *path, const char *prefix)
{
	MeterError	scratch = {0};
	StringInfoData buf;

	for (int i = path->nsteps - 1; i >= 0; i--)
	{
		const MeterPathStep *step = &path->steps[i];
		char		number[16];

		if (step->name)
			meter_error_prepend(&scratch, step->name, step->namelen);
		else
			meter_error_prepend(&scratch, number,
								snprintf(number, sizeof(number), "%d", Max(step->index, 0)));
	}
	initStringInfo(&buf);
	appendStringInfo(&buf, "%s%s", prefix, scratch.pointer ? scratch.pointer : "");
	return buf.data;
}

/* The path's one spelling. */
char *
meter_path_canonical(const MeterPath *path)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '$');
	for (int i = 0; i < path->nsteps; i++)
	{
		const MeterPathStep *step = &path->steps[i];

		if (step->name)
		{
			appendStringInfoChar(&buf, '.');
			escape_json(&buf, step->name);
		}
		else if (step->index >= 0)
			appendStringInfo(&buf, "[%d]", step->index);
		else
			appendStringInfo(&buf, "[last - %d]", -1 - step->index);
	}
	return buf.data;
}
