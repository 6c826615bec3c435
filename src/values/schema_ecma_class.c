/*
 * schema_ecma_class.c
 *		Escapes and character classes of ECMA-262 patterns.
 */
#include "values/schema_pattern.h"

#include "mb/pg_wchar.h"

/* Note the first thing that is wrong; returns false. */
bool
meter_schema_ecma_fail(SchemaCursor *cursor, const char *message)
{
	if (cursor->error == NULL)
		cursor->error = message;
	return false;
}

/* Read one character. */
uint32
meter_schema_ecma_next(SchemaCursor *cursor)
{
	int			len = Min(pg_utf_mblen((const unsigned char *) cursor->p), cursor->end - cursor->p);
	uint32		c = utf8_to_unicode((const unsigned char *) cursor->p);

	cursor->p += len;
	return c;
}

/* n hexadecimal digits. */
static bool
parse_hex(SchemaCursor *cursor, int n, uint32 *c)
{
	*c = 0;
	for (int i = 0; i < n; i++, cursor->p++)
	{
		int			d;

		if (cursor->p >= cursor->end || !isxdigit((unsigned char) *cursor->p))
			return meter_schema_ecma_fail(cursor, "a character escape needs more hexadecimal digits");
		d = *cursor->p <= '9' ? *cursor->p - '0' : (*cursor->p | 0x20) - 'a' + 10;
		*c = *c * 16 + d;
	}
	return true;
}

/* After \u: four digits, a surrogate pair of such escapes, or {digits}. */
static bool
parse_unicode(SchemaCursor *cursor, uint32 *c)
{
	uint32		low;

	if (cursor->p < cursor->end && *cursor->p == '{')
	{
		const char *close = memchr(cursor->p, '}', cursor->end - cursor->p);

		cursor->p++;
		while (close && cursor->p < close - 1 && *cursor->p == '0')
			cursor->p++;
		if (close == NULL || close == cursor->p || close - cursor->p > 6 || !parse_hex(cursor, close - cursor->p, c) ||
			*c > 0x10FFFF)
			return meter_schema_ecma_fail(cursor, "\\u{...} must hold the number of a character");
		cursor->p++;
		return true;
	}
	if (!parse_hex(cursor, 4, c))
		return false;
	if (*c >= 0xD800 && *c <= 0xDBFF && cursor->end - cursor->p >= 6 && cursor->p[0] == '\\' && cursor->p[1] == 'u' &&
		(cursor->p[2] | 0x20) == 'd' && strchr("cdefCDEF", cursor->p[3]))
	{
		cursor->p += 2;
		if (!parse_hex(cursor, 4, &low))
			return false;
		*c = 0x10000 + ((*c & 0x3FF) << 10) + (low & 0x3FF);
	}
	return true;
}

/* After \p or \P: {name}. */
static bool
parse_property(SchemaCursor *cursor, bool negated, SchemaCharset *set)
{
	const char *close = cursor->p < cursor->end && *cursor->p == '{' ? memchr(cursor->p, '}', cursor->end - cursor->p) : NULL;
	SchemaCharset own = {0};

	if (close == NULL || close == cursor->p + 1)
		return meter_schema_ecma_fail(cursor, "\\p must be followed by a property in braces");
	if (!meter_schema_charset_add_property(&own, cursor->p + 1, close - cursor->p - 1))
		cursor->unsupported = "of Unicode properties only general categories are supported";
	cursor->p = close + 1;
	if (negated)
		meter_schema_charset_complement(&own);
	meter_schema_charset_add_set(set, &own);
	return true;
}

/* After a backslash: one character (*c) or a class (added to set, *c is -1). */
bool
meter_schema_ecma_escape(SchemaCursor *cursor, bool in_class, SchemaCharset *set, int64 *c)
{
	static const char from[] = "tnvfr";
	static const char to[] = "\t\n\v\f\r";
	uint32		code = 0;
	char		letter;

	if (cursor->p >= cursor->end)
		return meter_schema_ecma_fail(cursor, "the pattern ends with a backslash");
	if ((unsigned char) *cursor->p >= 0x80)
		return meter_schema_ecma_fail(cursor, "unknown escape");
	letter = *cursor->p++;
	*c = -1;
	if (letter == 'p' || letter == 'P')
		return parse_property(cursor, letter == 'P', set);
	if (letter != '.' && meter_schema_charset_add_class(set, letter))
		return true;
	if (strchr(from, letter))
	{
		*c = to[strchr(from, letter) - from];
		return true;
	}
	*c = letter;
	switch (letter)
	{
		case 'b':
			*c = '\b';
			return in_class || meter_schema_ecma_fail(cursor, "unknown escape");
		case 'c':
			if (cursor->p >= cursor->end || !isalpha((unsigned char) *cursor->p))
				return meter_schema_ecma_fail(cursor, "\\c must be followed by a letter");
			*c = *cursor->p++ & 0x1F;
			return true;
		case 'x':
		case 'u':
			if (letter == 'x' ? !parse_hex(cursor, 2, &code) : !parse_unicode(cursor, &code))
				return false;
			*c = code;
			return true;
		case '0':
			*c = 0;
			if (cursor->p < cursor->end && isdigit((unsigned char) *cursor->p))
				return meter_schema_ecma_fail(cursor, "octal escapes are not allowed");
			return true;
		default:
			/* punctuation stands for itself */
			return !isalnum((unsigned char) letter) || meter_schema_ecma_fail(cursor, "unknown escape");
	}
}

/* One member of [...]. */
static bool
parse_class_atom(SchemaCursor *cursor, SchemaCharset *set, int64 *c)
{
	if (*cursor->p != '\\')
	{
		*c = meter_schema_ecma_next(cursor);
		return true;
	}
	cursor->p++;
	return meter_schema_ecma_escape(cursor, true, set, c);
}

/* After an opening bracket. */
bool
meter_schema_ecma_class(SchemaCursor *cursor, SchemaCharset *set)
{
	bool		negated = cursor->p < cursor->end && *cursor->p == '^';

	cursor->p += negated;
	for (;;)
	{
		int64		first,
					last;

		if (cursor->p >= cursor->end)
			return meter_schema_ecma_fail(cursor, "a closing bracket is missing");
		if (*cursor->p == ']')
			break;
		if (!parse_class_atom(cursor, set, &first))
			return false;
		last = first;
		/* a hyphen before the end or beside a class is itself */
		if (first >= 0 && cursor->end - cursor->p >= 2 && cursor->p[0] == '-' && cursor->p[1] != ']')
		{
			cursor->p++;
			if (!parse_class_atom(cursor, set, &last))
				return false;
			if (last < 0)
			{
				meter_schema_charset_add(set, '-', '-');
				last = first;
			}
			if (last < first)
				return meter_schema_ecma_fail(cursor, "a range is the wrong way round");
		}
		if (first >= 0)
			meter_schema_charset_add(set, first, last);
	}
	cursor->p++;
	if (negated)
		meter_schema_charset_complement(set);
	return true;
}
