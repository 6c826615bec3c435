/*
 * json_value.c
 *		Values of a parsed document: members, strings, equality, hashes.
 */
#include "values/json.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Objects of so many members are hashed without an allocation. */
#define SMALL_OBJECT 16

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
				c = meter_json_hex(from);
				from += 4;
				if (c >= 0xD800 && c <= 0xDBFF)
				{
					c = 0x10000 + ((c & 0x3FF) << 10) + (meter_json_hex(from + 2) & 0x3FF);
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

/* A member's share of its object's hash; shares are added up, in any order. */
static uint64
member_hash(uint64 key_hash, const MeterJson *doc, int value)
{
	return hash_combine64(key_hash, meter_json_hash(doc, value)) * UINT64CONST(0x9E3779B97F4A7C15);
}

static uint64
key_hash(const char *key, int len)
{
	return hash_bytes_extended((const unsigned char *) key, len, 1);
}

static uint64
object_hash(const MeterJson *doc, int node)
{
	MeterJsonMember *m;
	int			count = meter_json_members(doc, node, &m);
	uint64		h = 0;

	for (int i = 0; i < count; i++)
		h += member_hash(key_hash(m[i].key, m[i].keylen), doc, m[i].value);
	pfree(m);
	return h;
}

/* The same for an object of few members, which every event is: no sorting. */
static uint64
small_object_hash(const MeterJson *doc, int node)
{
	uint64		keys[SMALL_OBJECT];
	uint64		shares[SMALL_OBJECT];
	uint64		h = 0;
	int			n = 0;

	for (int k = node + 1; k < doc->nodes[node].next; k = doc->nodes[k + 1].next)
	{
		int			len;
		const char *key = meter_json_string(doc, k, &len);
		int			i = 0;

		keys[n] = key_hash(key, len);
		while (keys[i] != keys[n])
			i++;
		/* a key that stands twice: the last one counts */
		if (i < n)
			h -= shares[i];
		else
			n++;
		shares[i] = member_hash(keys[i], doc, k + 1);
		h += shares[i];
	}
	return h;
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
			return hash_combine64(h, n->count <= SMALL_OBJECT ? small_object_hash(doc, node) :
								  object_hash(doc, node));
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
