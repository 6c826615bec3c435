/*
 * schema_ecma.c
 *		ECMA-262 patterns as regular expressions of the server.
 *
 * JSON Schema's patterns are JavaScript's, with the u flag.  The server's
 * engine (Spencer's, as a DFA) knows the same constructs under partly other
 * names and with other meanings, so the pattern is parsed and written anew:
 *
 *	- every literal becomes a \u escape, every class a bracket expression of
 *	  code points: nothing depends on locale or flags;
 *	- groups capture nothing and quantifiers are greedy: only whether there is
 *	  a match matters, and so the engine never leaves its linear DFA;
 *	- counts above the engine's 255 are split into nested ones;
 *	- back-references, Unicode properties other than general categories and
 *	  inline flags are refused.
 *
 * On the way the same is told to schema_automaton.c, which makes the engine
 * unnecessary for most patterns.
 */
#include "values/schema_pattern.h"

#define MAX_COUNT	255			/* the engine's, in {m,n} */
#define MAX_COST	1000000

typedef struct Translator
{
	SchemaCursor cursor;
	StringInfo	out;
	SchemaAutomaton *automaton;

	/* open groups */
	int			ngroups;
	struct
	{
		int			start;		/* of its text in out */
		int64		cost;		/* what stood before it in the outer group */
		bool		assertion;
	}			groups[METER_SCHEMA_MAX_GROUPS];

	int64		cost;			/* of the present group */
	int			atom;			/* where the last atom's text starts in out, or
								 * -1 if nothing can be repeated */
	int64		atom_cost;
} Translator;

static bool
fail(Translator *t, const char *message)
{
	return meter_schema_ecma_fail(&t->cursor, message);
}

/* Note what is valid but not done here, and go on. */
static bool
unsupported(Translator *t, const char *message)
{
	t->cursor.unsupported = message;
	return true;
}

static void
emit_char(StringInfo out, uint32 c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		appendStringInfoChar(out, c);
	else if (c <= 0xFFFF)
		appendStringInfo(out, "\\u%04X", c);
	else
		appendStringInfo(out, "\\U%08X", c);
}

/* The last thing written, from start on, is an atom. */
static void
set_atom(Translator *t, int start, int64 cost)
{
	t->atom = start;
	t->atom_cost = cost;
	t->cost += cost;
}

/* One character out of a set. */
static void
emit_set(Translator *t, SchemaCharset *set)
{
	int			start = t->out->len;

	meter_schema_charset_normalize(set);
	if (set->nranges == 0)
		appendStringInfoString(t->out, "[\\u0000]");	/* in no text */
	else if (set->nranges == 1 && set->ranges[0].first == set->ranges[0].last)
		emit_char(t->out, set->ranges[0].first);
	else
	{
		appendStringInfoChar(t->out, '[');
		for (int i = 0; i < set->nranges; i++)
		{
			emit_char(t->out, set->ranges[i].first);
			if (set->ranges[i].first == set->ranges[i].last)
				continue;
			appendStringInfoChar(t->out, '-');
			emit_char(t->out, set->ranges[i].last);
		}
		appendStringInfoChar(t->out, ']');
	}
	set_atom(t, start, 1 + set->nranges / 16);
	meter_schema_automaton_add(t->automaton, set);
}

/* After an opening parenthesis. */
static bool
open_group(Translator *t)
{
	const char *rest = t->cursor.p;
	int			left = t->cursor.end - t->cursor.p;
	const char *write = "(?:";
	bool		assertion = false;

	if (left >= 2 && rest[0] == '?')
	{
		bool		behind = rest[1] == '<' && left >= 3 && (rest[2] == '=' || rest[2] == '!');

		assertion = rest[1] == '=' || rest[1] == '!' || behind;
		if (assertion)
		{
			int			len = behind ? 3 : 2;

			write = psprintf("(%.*s", len, rest);
			t->cursor.p += len;
		}
		else if (rest[1] == ':')
			t->cursor.p += 2;
		else
		{
			/* a named group */
			const char *close = rest[1] == '<' ? memchr(rest, '>', left) : NULL;

			if (close == NULL || close == rest + 2 || isdigit((unsigned char) rest[2]))
				return fail(t, "unknown kind of group");
			for (const char *p = rest + 2; p < close; p++)
			{
				if (!isalnum((unsigned char) *p) && *p != '_' && *p != '$' &&
					(unsigned char) *p < 0x80)
					return fail(t, "unknown kind of group");
			}
			t->cursor.p = close + 1;
		}
	}
	else if (left >= 1 && rest[0] == '?')
		return fail(t, "unknown kind of group");
	if (t->ngroups >= METER_SCHEMA_MAX_GROUPS)
		return fail(t, "groups are nested too deep");
	t->groups[t->ngroups].start = t->out->len;
	t->groups[t->ngroups].cost = t->cost;
	t->groups[t->ngroups].assertion = assertion;
	t->ngroups++;
	t->cost = 0;
	t->atom = -1;
	appendStringInfoString(t->out, write);
	if (assertion)
		meter_schema_automaton_abandon(t->automaton);
	meter_schema_automaton_open(t->automaton);
	return true;
}

static bool
close_group(Translator *t)
{
	int64		inner = Max(t->cost, 1);

	if (t->ngroups == 0)
		return fail(t, "a closing parenthesis has no opening one");
	t->ngroups--;
	appendStringInfoChar(t->out, ')');
	meter_schema_automaton_close(t->automaton);
	t->cost = t->groups[t->ngroups].cost;
	set_atom(t, t->groups[t->ngroups].start, inner);
	if (t->groups[t->ngroups].assertion)
		t->atom = -1;
	return true;
}

/* {m}, {m,} or {m,n} at p; max -1 for no end. */
static bool
parse_count(Translator *t, int *min, int *max)
{
	const char *p = t->cursor.p + 1;
	int			values[2] = {0, -1};
	int			which = 0;
	bool		digits = false;

	for (; p < t->cursor.end && *p != '}'; p++)
	{
		if (*p == ',' && which == 0 && digits)
			which = 1;
		else if (*p >= '0' && *p <= '9')
		{
			values[which] = Min(Max(values[which], 0) * 10 + (*p - '0'), 1000000);
			digits = true;
		}
		else
			return fail(t, "an opening brace must begin a count or be escaped");
	}
	if (p >= t->cursor.end || !digits)
		return fail(t, "an opening brace must begin a count or be escaped");
	*min = values[0];
	*max = which == 0 ? values[0] : values[1];
	if (*max >= 0 && *max < *min)
		return fail(t, "a count is the wrong way round");
	t->cursor.p = p + 1;
	return true;
}

/* Append atom{0,n} or, exact, atom{n}, in counts the engine takes. */
static void
emit_repeat(StringInfo out, const char *atom, int n, bool exact)
{
	const char *low = exact ? "" : "0,";

	if (n > MAX_COUNT)
		appendStringInfo(out, "(?:%s{%s%d}){%s%d}", atom, low, MAX_COUNT, low, n / MAX_COUNT);
	if (n % MAX_COUNT > 0 || n == MAX_COUNT)
		appendStringInfo(out, "%s{%s%d}", atom, low, n == MAX_COUNT ? n : n % MAX_COUNT);
}

/* Repeat the last atom. */
static bool
emit_quantifier(Translator *t, int min, int max)
{
	int64		cost = t->atom_cost * Max(Max(min, max), 1);
	char	   *atom;

	t->cost += Min(cost, MAX_COST) - t->atom_cost;
	meter_schema_automaton_repeat(t->automaton, min, max);
	if (min == 0 && max < 0)
		appendStringInfoChar(t->out, '*');
	else if (min == 1 && max < 0)
		appendStringInfoChar(t->out, '+');
	else if (min == 0 && max == 1)
		appendStringInfoChar(t->out, '?');
	else if (min <= MAX_COUNT && max <= MAX_COUNT && max >= 0)
		appendStringInfo(t->out, "{%d,%d}", min, max);
	else if (min <= MAX_COUNT && max < 0)
		appendStringInfo(t->out, "{%d,}", min);
	else if (t->cost <= METER_SCHEMA_PATTERN_COST)
	{
		atom = pstrdup(t->out->data + t->atom);
		t->out->len = t->atom;
		t->out->data[t->out->len] = '\0';
		appendStringInfoString(t->out, "(?:");
		emit_repeat(t->out, atom, min, true);
		if (max < 0)
			appendStringInfo(t->out, "%s*", atom);
		else if (max > min)
			emit_repeat(t->out, atom, max - min, false);
		appendStringInfoChar(t->out, ')');
	}
	t->atom = -1;
	return true;
}

static bool
parse_quantifier(Translator *t)
{
	int			min = *t->cursor.p == '+';
	int			max = *t->cursor.p == '?' ? 1 : -1;

	if (t->atom < 0)
		return fail(t, "there is nothing to repeat");
	if (*t->cursor.p != '{')
		t->cursor.p++;
	else if (!parse_count(t, &min, &max))
		return false;
	/* how greedy it is decides what matches, not whether */
	if (t->cursor.p < t->cursor.end && *t->cursor.p == '?')
		t->cursor.p++;
	return emit_quantifier(t, min, max);
}

/* After a backslash outside brackets. */
static bool
parse_atom_escape(Translator *t)
{
	SchemaCharset set = {0};
	int64		c;

	if (t->cursor.p < t->cursor.end && (*t->cursor.p == 'b' || *t->cursor.p == 'B'))
	{
		appendStringInfoString(t->out, *t->cursor.p++ == 'b' ? "\\y" : "\\Y");
		t->atom = -1;
		meter_schema_automaton_abandon(t->automaton);
		return true;
	}
	if (t->cursor.p < t->cursor.end && *t->cursor.p >= '1' && *t->cursor.p <= '9')
	{
		while (t->cursor.p < t->cursor.end && isdigit((unsigned char) *t->cursor.p))
			t->cursor.p++;
		emit_set(t, &set);
		return unsupported(t, "back-references are not supported");
	}
	if (t->cursor.end - t->cursor.p > 2 && t->cursor.p[0] == 'k' && t->cursor.p[1] == '<' && memchr(t->cursor.p, '>', t->cursor.end - t->cursor.p))
	{
		t->cursor.p = (const char *) memchr(t->cursor.p, '>', t->cursor.end - t->cursor.p) + 1;
		emit_set(t, &set);
		return unsupported(t, "back-references are not supported");
	}
	if (!meter_schema_ecma_escape(&t->cursor, false, &set, &c))
		return false;
	if (c >= 0)
		meter_schema_charset_add(&set, c, c);
	emit_set(t, &set);
	return true;
}

/* One thing of the pattern. */
static bool
parse_one(Translator *t)
{
	SchemaCharset set = {0};
	char		c = *t->cursor.p;

	switch (c)
	{
		case '^':
		case '$':
			appendStringInfoChar(t->out, c);
			t->cursor.p++;
			t->atom = -1;
			meter_schema_automaton_anchor(t->automaton, c == '^');
			return true;
		case '|':
			appendStringInfoChar(t->out, c);
			t->cursor.p++;
			t->atom = -1;
			meter_schema_automaton_alternate(t->automaton);
			return true;
		case '(':
			t->cursor.p++;
			return open_group(t);
		case ')':
			t->cursor.p++;
			return close_group(t);
		case '[':
			t->cursor.p++;
			if (!meter_schema_ecma_class(&t->cursor, &set))
				return false;
			break;
		case '\\':
			t->cursor.p++;
			return parse_atom_escape(t);
		case '*':
		case '+':
		case '?':
		case '{':
			return parse_quantifier(t);
		case ']':
		case '}':
			return fail(t, "a closing bracket or brace must be escaped");
		case '.':
			t->cursor.p++;
			meter_schema_charset_add_class(&set, '.');
			break;
		default:
			{
				uint32		code = meter_schema_ecma_next(&t->cursor);

				meter_schema_charset_add(&set, code, code);
			}
	}
	emit_set(t, &set);
	return true;
}

/* Translate a pattern; see schema_private.h. */
SchemaEcma
meter_schema_ecma_translate(const char *pattern, int len, StringInfo out, SchemaAutomaton *automaton,
							int *cost, const char **message)
{
	Translator	t = {
		.cursor = {.p = pattern, .end = pattern + len},
		.out = out, .automaton = automaton, .atom = -1
	};

	while (t.cursor.p < t.cursor.end && t.cursor.error == NULL)
		parse_one(&t);
	if (t.cursor.error == NULL && t.ngroups > 0)
		fail(&t, "a closing parenthesis is missing");
	*cost = Min(t.cost, MAX_COST);
	*message = t.cursor.error ? t.cursor.error : t.cursor.unsupported;
	return t.cursor.error ? SCHEMA_ECMA_INVALID : t.cursor.unsupported ? SCHEMA_ECMA_UNSUPPORTED : SCHEMA_ECMA_OK;
}
