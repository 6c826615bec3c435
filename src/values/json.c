/*
 * json.c
 *		JSON text as a flat array of nodes.
 *
 * The scanner is one loop over the text with a stack of open containers, not
 * a recursion: the depth of a hostile document costs a counter.  A node is
 * 24 bytes and no text is copied, so a document costs a small multiple of its
 * own size.
 */
#include "values/json.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "values/text.h"

/* What numeric can hold; jsonb refuses more. */
#define MAX_INTEGER_DIGITS 131072
#define MAX_FRACTION_DIGITS 16383

typedef struct Scanner
{
	MeterJson  *doc;
	const char *p;
	const char *end;
	MeterError *err;
	int			stack[METER_JSON_MAX_DEPTH];	/* open containers */
	int			depth;
} Scanner;

/* Note where in the document the scanner stands, as a JSON pointer. */
static void
set_pointer(Scanner *s, int depth)
{
	for (int d = depth - 1; d >= 0; d--)
	{
		MeterJsonNode *open = &s->doc->nodes[s->stack[d]];

		if (open->type == METER_JSON_ARRAY)
		{
			char		buf[16];

			meter_error_prepend(s->err, buf,
								snprintf(buf, sizeof(buf), "%d", open->count));
		}
		else
		{
			/* while an object is open, next is its newest key */
			MeterJsonNode *key;

			if (open->next == 0)
				continue;
			key = &s->doc->nodes[open->next];
			meter_error_prepend(s->err, s->doc->text + key->off, key->len);
		}
	}
}

static bool
fail(Scanner *s, const char *code, const char *message)
{
	if (s->p >= s->end)
		meter_error_set(s->err, code, "%s, at the end of the text", message);
	else
		meter_error_set(s->err, code, "%s, at byte %d", message,
						(int) (s->p - s->doc->text) + 1);
	set_pointer(s, s->depth);
	return false;
}

static inline void
skip_space(Scanner *s)
{
	while (s->p < s->end &&
		   (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

static int
new_node(MeterJson *doc)
{
	if (unlikely(doc->nnodes >= doc->capacity))
	{
		doc->capacity *= 2;
		doc->nodes = repalloc_huge(doc->nodes, (Size) doc->capacity * sizeof(MeterJsonNode));
	}
	return doc->nnodes++;
}

/* The value of four hexadecimal digits, or -1. */
int
meter_json_hex(const char *p)
{
	int			value = 0;

	for (int i = 0; i < 4; i++)
	{
		int			digit = meter_hex_digit(p[i]);

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

/* Check one backslash escape; p stands on the backslash. */
static bool
scan_escape(Scanner *s)
{
	int			unit;

	if (s->end - s->p < 2)
		return fail(s, "INVALID_JSON", "unfinished escape");
	if (s->p[1] != 'u')
	{
		if (strchr("\"\\/bfnrt", s->p[1]) == NULL || s->p[1] == '\0')
			return fail(s, "INVALID_JSON", "unknown escape");
		s->p += 2;
		return true;
	}
	if (s->end - s->p < 6 || (unit = meter_json_hex(s->p + 2)) < 0)
		return fail(s, "INVALID_JSON", "\\u must be followed by four hexadecimal digits");
	if (unit == 0)
		return fail(s, "INVALID_UNICODE", "\\u0000 cannot be stored as text");
	if (unit >= 0xDC00 && unit <= 0xDFFF)
		return fail(s, "INVALID_UNICODE", "low surrogate without a high one");
	if (unit >= 0xD800 && unit <= 0xDBFF)
	{
		int			low = -1;

		if (s->end - s->p >= 12 && s->p[6] == '\\' && s->p[7] == 'u')
			low = meter_json_hex(s->p + 8);
		if (low < 0xDC00 || low > 0xDFFF)
			return fail(s, "INVALID_UNICODE", "high surrogate without a low one");
		s->p += 6;
	}
	s->p += 6;
	return true;
}

/* p stands on the opening quote. */
static bool
scan_string(Scanner *s, int node)
{
	const char *start = ++s->p;
	bool		escaped = false;

	for (;;)
	{
		while (s->p < s->end && *s->p != '"' && *s->p != '\\' &&
			   (unsigned char) *s->p >= 0x20)
			s->p++;
		if (s->p >= s->end)
			return fail(s, "INVALID_JSON", "unfinished string");
		if (*s->p == '"')
			break;
		if (*s->p != '\\')
			return fail(s, "INVALID_JSON", "control character in a string");
		escaped = true;
		if (!scan_escape(s))
			return false;
	}

	s->doc->nodes[node] = (MeterJsonNode)
	{
		.type = METER_JSON_STRING, .escaped = escaped,
			.off = start - s->doc->text, .len = s->p - start,
			.next = node + 1
	};
	s->p++;
	return true;
}

/* A number as the grammar has it, within what numeric can hold. */
static bool
scan_number(Scanner *s, int node)
{
	const char *start = s->p;
	const char *mark;
	int64		integer;
	int64		fraction = 0;
	int64		exponent = 0;

	if (*s->p == '-')
		s->p++;
	mark = s->p;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	integer = s->p - mark;
	if (integer == 0)
		return fail(s, "INVALID_JSON", "expected a JSON value");
	if (integer > 1 && *mark == '0')
		return fail(s, "INVALID_JSON", "number with a leading zero");
	if (s->p < s->end && *s->p == '.')
	{
		mark = ++s->p;
		while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
			s->p++;
		fraction = s->p - mark;
		if (fraction == 0)
			return fail(s, "INVALID_JSON", "expected a digit after the decimal point");
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E'))
	{
		bool		negative = false;

		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			negative = *s->p++ == '-';
		mark = s->p;
		while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		{
			if (exponent < 1000000)
				exponent = exponent * 10 + (*s->p - '0');
			s->p++;
		}
		if (s->p == mark)
			return fail(s, "INVALID_JSON", "expected a digit in the exponent");
		if (negative)
			exponent = -exponent;
	}
	if (integer + exponent > MAX_INTEGER_DIGITS || fraction - exponent > MAX_FRACTION_DIGITS)
		return fail(s, "NUMBER_OUT_OF_RANGE", "number out of range");

	s->doc->nodes[node] = (MeterJsonNode)
	{
		.type = METER_JSON_NUMBER,
			.off = start - s->doc->text, .len = s->p - start, .next = node + 1
	};
	return true;
}

static bool
scan_word(Scanner *s, int node, const char *word, MeterJsonType type)
{
	size_t		len = strlen(word);

	if (s->end - s->p < len || memcmp(s->p, word, len) != 0)
		return fail(s, "INVALID_JSON", "expected a JSON value");
	s->doc->nodes[node] = (MeterJsonNode)
	{
		.type = type, .off = s->p - s->doc->text, .len = len, .next = node + 1
	};
	s->p += len;
	return true;
}

/* Begin a container, or read a scalar whole. */
static bool
scan_value(Scanner *s)
{
	int			node;

	skip_space(s);
	if (s->p >= s->end)
		return fail(s, "INVALID_JSON", "expected a JSON value");
	node = new_node(s->doc);
	switch (*s->p)
	{
		case '{':
		case '[':
			if (s->depth >= METER_JSON_MAX_DEPTH)
				return fail(s, "TOO_DEEP", "nested deeper than 256 levels");
			s->doc->nodes[node] = (MeterJsonNode)
			{
				.type = *s->p == '{' ? METER_JSON_OBJECT : METER_JSON_ARRAY,
					.off = s->p - s->doc->text
			};
			s->stack[s->depth++] = node;
			s->p++;
			return true;
		case '"':
			return scan_string(s, node);
		case 't':
			return scan_word(s, node, "true", METER_JSON_TRUE);
		case 'f':
			return scan_word(s, node, "false", METER_JSON_FALSE);
		case 'n':
			return scan_word(s, node, "null", METER_JSON_NULL);
		default:
			return scan_number(s, node);
	}
}

/* Read "key": of the object that is open. */
static bool
scan_key(Scanner *s, int object)
{
	int			key;

	skip_space(s);
	if (s->p >= s->end || *s->p != '"')
		return fail(s, "INVALID_JSON", "expected a member name in quotes");
	key = new_node(s->doc);
	if (!scan_string(s, key))
		return false;
	s->doc->nodes[object].next = key;
	skip_space(s);
	if (s->p >= s->end || *s->p != ':')
		return fail(s, "INVALID_JSON", "expected a colon after the member name");
	s->p++;
	return true;
}

/*
 * After a value: close what ends here, or go on to the next element.  Returns
 * with *more false when the document is complete.
 */
static bool
scan_after_value(Scanner *s, bool *more)
{
	while (s->depth > 0)
	{
		int			open = s->stack[s->depth - 1];
		MeterJsonNode *node = &s->doc->nodes[open];
		char		close = node->type == METER_JSON_OBJECT ? '}' : ']';

		skip_space(s);
		if (s->p < s->end && *s->p == ',')
		{
			node->count++;
			s->p++;
			*more = true;
			return node->type == METER_JSON_OBJECT ? scan_key(s, open) : true;
		}
		if (s->p >= s->end || *s->p != close)
			return fail(s, "INVALID_JSON", close == '}' ?
						"expected a comma or a closing brace" :
						"expected a comma or a closing bracket");
		s->p++;
		node->count++;
		node->next = s->doc->nnodes;
		node->len = (s->p - s->doc->text) - node->off;
		s->depth--;
	}
	*more = false;
	return true;
}

/* Right after an opening bracket: an empty container closes at once. */
static bool
scan_first(Scanner *s, bool *closed)
{
	int			open = s->stack[s->depth - 1];
	MeterJsonNode *node = &s->doc->nodes[open];
	char		close = node->type == METER_JSON_OBJECT ? '}' : ']';

	skip_space(s);
	*closed = s->p < s->end && *s->p == close;
	if (*closed)
	{
		s->p++;
		node->next = s->doc->nnodes;
		node->len = (s->p - s->doc->text) - node->off;
		s->depth--;
		return true;
	}
	return node->type == METER_JSON_OBJECT ? scan_key(s, open) : true;
}

/* Parse the value text begins with; see json.h. */
bool
meter_json_parse_prefix(MeterJson *doc, const char *text, size_t len, size_t *used, MeterError *err)
{
	Scanner		s = {.doc = doc, .p = text, .end = text + len, .err = err};

	doc->text = text;
	doc->nnodes = 0;
	if (len >= MaxAllocSize)
		return fail(&s, "TOO_LARGE", "document too large");
	if (doc->nodes == NULL)
	{
		doc->capacity = 64;
		doc->nodes = palloc(doc->capacity * sizeof(MeterJsonNode));
	}

	for (;;)
	{
		int			depth = s.depth;
		bool		more;

		if ((doc->nnodes & 0xFFF) == 0xFFF)
			CHECK_FOR_INTERRUPTS();
		if (!scan_value(&s))
			return false;
		if (s.depth > depth)
		{
			bool		closed;

			if (!scan_first(&s, &closed))
				return false;
			if (!closed)
				continue;
		}
		if (!scan_after_value(&s, &more))
			return false;
		if (!more)
			break;
	}
	*used = s.p - text;
	return true;
}

/* Parse text into *doc; see json.h. */
bool
meter_json_parse(MeterJson *doc, const char *text, size_t len, MeterError *err)
{
	Scanner		s = {.doc = doc, .end = text + len, .err = err};
	size_t		used;

	if (!meter_json_parse_prefix(doc, text, len, &used, err))
		return false;
	s.p = text + used;
	skip_space(&s);
	if (s.p < s.end)
		return fail(&s, "INVALID_JSON", "text after the JSON value");
	return true;
}

/* Parse text that ought to be right, in the current memory context. */
MeterJson *
meter_json_parse_or_throw(const char *text, size_t len, const char *what)
{
	MeterJson  *doc = palloc0(sizeof(MeterJson));
	MeterError	err;

	if (!meter_json_parse(doc, text, len, &err))
		meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, what);
	return doc;
}

/* The first byte after the value at pos, by brackets and quotes alone. */
size_t
meter_json_skip(const char *text, size_t len, size_t pos)
{
	const char *p = text + pos;
	const char *end = text + len;
	int			depth = 0;

	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	for (; p < end; p++)
	{
		switch (*p)
		{
			case '"':
				for (p++; p < end && *p != '"'; p++)
				{
					if (*p == '\\')
						p++;
				}
				if (depth == 0)
					return Min(p + 1, end) - text;
				break;
			case '{':
			case '[':
				depth++;
				break;
			case '}':
			case ']':
				if (depth == 0)
					return p - text;
				if (--depth == 0)
					return p + 1 - text;
				break;
			case ',':
			case ' ':
			case '\n':
			case '\r':
			case '\t':
				if (depth == 0)
					return p - text;
				break;
			default:
				break;
		}
	}
	return len;
}
