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

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

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

static int
hex_value(const char *p)
{
	int			value = 0;

	for (int i = 0; i < 4; i++)
	{
		int			c = (unsigned char) p[i];

		if (c >= '0' && c <= '9')
			c -= '0';
		else if (c >= 'a' && c <= 'f')
			c -= 'a' - 10;
		else if (c >= 'A' && c <= 'F')
			c -= 'A' - 10;
		else
			return -1;
		value = value * 16 + c;
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
	if (s->end - s->p < 6 || (unit = hex_value(s->p + 2)) < 0)
		return fail(s, "INVALID_JSON", "\\u must be followed by four hexadecimal digits");
	if (unit == 0)
		return fail(s, "INVALID_UNICODE", "\\u0000 cannot be stored as text");
	if (unit >= 0xDC00 && unit <= 0xDFFF)
		return fail(s, "INVALID_UNICODE", "low surrogate without a high one");
	if (unit >= 0xD800 && unit <= 0xDBFF)
	{
		int			low = -1;

		if (s->end - s->p >= 12 && s->p[6] == '\\' && s->p[7] == 'u')
			low = hex_value(s->p + 8);
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

/* Parse text into *doc; see json.h. */
bool
meter_json_parse(MeterJson *doc, const char *text, size_t len, MeterError *err)
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
		meter_error_throw(&err, ERRCODE_INVALID_TEXT_REPRESENTATION, what);
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

/* The value of a member, the last of its name, or -1. */
int
meter_json_member(const MeterJson *doc, int object, const char *name, int namelen)
{
	const MeterJsonNode *nodes = doc->nodes;
	int			found = -1;

	if (nodes[object].type != METER_JSON_OBJECT)
		return -1;
	for (int k = object + 1; k < nodes[object].next; k = nodes[k + 1].next)
	{
		const char *key = doc->text + nodes[k].off;
		int			keylen = nodes[k].len;

		if (unlikely(nodes[k].escaped))
			key = meter_json_string(doc, k, &keylen);
		if (keylen == namelen && memcmp(key, name, namelen) == 0)
			found = k + 1;
	}
	return found;
}

/* An element of an array, or -1. */
int
meter_json_element(const MeterJson *doc, int array, int index)
{
	const MeterJsonNode *nodes = doc->nodes;
	int			v = array + 1;

	if (nodes[array].type != METER_JSON_ARRAY || index < 0 || index >= nodes[array].count)
		return -1;
	while (index-- > 0)
		v = nodes[v].next;
	return v;
}

/* Append a code point as UTF-8. */
static char *
put_code_point(char *to, int c)
{
	unicode_to_utf8(c, (unsigned char *) to);
	return to + pg_utf_mblen((unsigned char *) to);
}

/* A string's content; palloc'd only if it was escaped. */
const char *
meter_json_string(const MeterJson *doc, int node, int *len)
{
	const MeterJsonNode *n = &doc->nodes[node];
	const char *from = doc->text + n->off;
	const char *end = from + n->len;
	char	   *result;
	char	   *to;

	if (!n->escaped)
	{
		*len = n->len;
		return from;
	}

	/* an escape is never shorter than what it stands for */
	to = result = palloc(n->len + 1);
	while (from < end)
	{
		int			c;

		if (*from != '\\')
		{
			*to++ = *from++;
			continue;
		}
		c = from[1];
		from += 2;
		switch (c)
		{
			case 'b':
				*to++ = '\b';
				break;
			case 'f':
				*to++ = '\f';
				break;
			case 'n':
				*to++ = '\n';
				break;
			case 'r':
				*to++ = '\r';
				break;
			case 't':
				*to++ = '\t';
				break;
			case 'u':
				c = hex_value(from);
				from += 4;
				if (c >= 0xD800 && c <= 0xDBFF)
				{
					c = 0x10000 + ((c & 0x3FF) << 10) + (hex_value(from + 2) & 0x3FF);
					from += 6;
				}
				to = put_code_point(to, c);
				break;
			default:
				*to++ = c;
		}
	}
	*to = '\0';
	*len = to - result;
	return result;
}

/* A string's content as a C string. */
char *
meter_json_cstring(const MeterJson *doc, int node)
{
	int			len;
	const char *s = meter_json_string(doc, node, &len);

	return pnstrdup(s, len);
}

/* A value's JSON text as written. */
char *
meter_json_raw(const MeterJson *doc, int node, int *len)
{
	const MeterJsonNode *n = &doc->nodes[node];
	int			quote = n->type == METER_JSON_STRING ? 1 : 0;

	*len = n->len + 2 * quote;
	return pnstrdup(doc->text + n->off - quote, *len);
}

static int
member_cmp(const void *pa, const void *pb)
{
	const MeterJsonMember *a = pa;
	const MeterJsonMember *b = pb;
	int			cmp = memcmp(a->key, b->key, Min(a->keylen, b->keylen));

	if (cmp == 0)
		cmp = a->keylen - b->keylen;
	if (cmp == 0)
		cmp = a->keynode - b->keynode;
	return cmp;
}

/* Members as they count, sorted by key. */
int
meter_json_members(const MeterJson *doc, int object, MeterJsonMember **members)
{
	const MeterJsonNode *nodes = doc->nodes;
	MeterJsonMember *list = palloc_extended(Max(nodes[object].count, 1) * sizeof(MeterJsonMember),
											MCXT_ALLOC_HUGE);
	int			n = 0;
	int			kept = 0;

	for (int k = object + 1; k < nodes[object].next; k = nodes[k + 1].next)
	{
		MeterJsonMember *m = &list[n++];

		m->key = meter_json_string(doc, k, &m->keylen);
		m->keynode = k;
		m->value = k + 1;
	}
	if (n > 1)
		qsort(list, n, sizeof(MeterJsonMember), member_cmp);

	/* of the same key only the last one written counts */
	for (int i = 0; i < n; i++)
	{
		if (i + 1 < n && list[i].keylen == list[i + 1].keylen &&
			memcmp(list[i].key, list[i + 1].key, list[i].keylen) == 0)
			continue;
		list[kept++] = list[i];
	}
	*members = list;
	return kept;
}

/*
 * A number's value as significant digits and an exponent: digits stripped of
 * zeros on both ends stand for 0.DIGITS * 10^exponent.
 */
typedef struct PlainNumber
{
	bool		negative;
	int			ndigits;
	int64		exponent;
	const char *text;			/* walk it, passing over all but digits */
	const char *end;
} PlainNumber;

static void
plain_number(const MeterJson *doc, int node, PlainNumber *out)
{
	const char *p = doc->text + doc->nodes[node].off;
	const char *end = p + doc->nodes[node].len;
	int			integer = 0;
	int			leading = 0;
	int			total = 0;
	int			significant = 0;
	bool		seen_point = false;

	memset(out, 0, sizeof(*out));
	if (*p == '-')
	{
		out->negative = true;
		p++;
	}
	for (; p < end && *p != 'e' && *p != 'E'; p++)
	{
		if (*p == '.')
		{
			seen_point = true;
			continue;
		}
		if (!seen_point)
			integer++;
		if (out->text == NULL)
		{
			if (*p == '0')
			{
				leading++;
				continue;
			}
			out->text = p;
		}
		total++;
		if (*p != '0')
		{
			significant = total;
			out->end = p + 1;
		}
	}
	if (significant == 0)
	{
		out->negative = false;	/* -0 is 0 */
		out->end = out->text = p;
		return;
	}
	out->ndigits = significant;
	out->exponent = integer - leading;
	if (p < end)
		out->exponent += strtol(p + 1, NULL, 10);
}

static bool
number_equal(const MeterJson *a, int anode, const MeterJson *b, int bnode)
{
	PlainNumber x,
				y;

	plain_number(a, anode, &x);
	plain_number(b, bnode, &y);
	if (x.negative != y.negative || x.ndigits != y.ndigits || x.exponent != y.exponent)
		return false;
	while (x.text < x.end)
	{
		if (*x.text == '.')
			x.text++;
		else if (*y.text == '.')
			y.text++;
		else if (*x.text++ != *y.text++)
			return false;
	}
	return true;
}

static uint64
number_hash(const MeterJson *doc, int node)
{
	PlainNumber x;
	uint64		h;

	plain_number(doc, node, &x);
	h = UINT64CONST(0x9E3779B97F4A7C15) * (x.exponent * 2 + x.negative + 7);
	for (; x.text < x.end; x.text++)
	{
		if (*x.text != '.')
			h = (h ^ *x.text) * UINT64CONST(0x100000001B3);
	}
	return hash_combine64(h, x.ndigits);
}

/* Equal as JSON values. */
bool
meter_json_equal(const MeterJson *a, int anode, const MeterJson *b, int bnode)
{
	const MeterJsonNode *x = &a->nodes[anode];
	const MeterJsonNode *y = &b->nodes[bnode];

	check_stack_depth();
	if (x->type != y->type)
		return false;
	switch (x->type)
	{
		case METER_JSON_NUMBER:
			return number_equal(a, anode, b, bnode);
		case METER_JSON_STRING:
			{
				int			xlen,
							ylen;
				const char *xs = meter_json_string(a, anode, &xlen);
				const char *ys = meter_json_string(b, bnode, &ylen);

				return xlen == ylen && memcmp(xs, ys, xlen) == 0;
			}
		case METER_JSON_ARRAY:
			if (x->count != y->count)
				return false;
			for (int i = anode + 1, j = bnode + 1; i < x->next;
				 i = a->nodes[i].next, j = b->nodes[j].next)
			{
				if (!meter_json_equal(a, i, b, j))
					return false;
			}
			return true;
		case METER_JSON_OBJECT:
			{
				MeterJsonMember *xm,
						   *ym;
				int			n = meter_json_members(a, anode, &xm);

				if (n != meter_json_members(b, bnode, &ym))
					return false;
				for (int i = 0; i < n; i++)
				{
					if (xm[i].keylen != ym[i].keylen ||
						memcmp(xm[i].key, ym[i].key, xm[i].keylen) != 0 ||
						!meter_json_equal(a, xm[i].value, b, ym[i].value))
						return false;
				}
				return true;
			}
		default:
			return true;
	}
}

/* A hash that agrees with meter_json_equal. */
uint64
meter_json_hash(const MeterJson *doc, int node)
{
	const MeterJsonNode *n = &doc->nodes[node];
	uint64		h = n->type + 1;

	check_stack_depth();
	switch (n->type)
	{
		case METER_JSON_NUMBER:
			return hash_combine64(h, number_hash(doc, node));
		case METER_JSON_STRING:
			{
				int			len;
				const char *s = meter_json_string(doc, node, &len);

				return hash_combine64(h, hash_bytes_extended((const unsigned char *) s, len, 0));
			}
		case METER_JSON_ARRAY:
			for (int v = node + 1; v < n->next; v = doc->nodes[v].next)
				h = hash_combine64(h, meter_json_hash(doc, v));
			return h;
		case METER_JSON_OBJECT:
			{
				MeterJsonMember *m;
				int			count = meter_json_members(doc, node, &m);

				for (int i = 0; i < count; i++)
				{
					h = hash_combine64(h, hash_bytes_extended((const unsigned char *) m[i].key,
															  m[i].keylen, 1));
					h = hash_combine64(h, meter_json_hash(doc, m[i].value));
				}
				pfree(m);
				return h;
			}
		default:
			return hash_combine64(h, 0);
	}
}

/* The JSON name of a value's type. */
const char *
meter_json_type_name(const MeterJson *doc, int node)
{
	switch (doc->nodes[node].type)
	{
		case METER_JSON_NULL:
			return "null";
		case METER_JSON_FALSE:
		case METER_JSON_TRUE:
			return "boolean";
		case METER_JSON_NUMBER:
			return "number";
		case METER_JSON_STRING:
			return "string";
		case METER_JSON_ARRAY:
			return "array";
		default:
			return "object";
	}
}
