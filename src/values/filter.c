/*
 * filter.c
 *		Filter trees over JSON values.
 *
 * Logic is two-valued: a leaf is true or false, neq is "not eq" and nin is
 * "not in".  JSON null and a missing member are the same thing: nothing is
 * there.  So neq and nin hold for a missing field, eq null asks for one, and
 * every other comparison with one is false.  A number is compared with a
 * number by value and a text with a text by bytes; different types are
 * never equal and have no order.
 */
#include "values/filter.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "values/decimal.h"
#include "values/path.h"
#include "values/regex.h"

#define MAX_FILTER_DEPTH 32
#define MAX_FILTER_VALUES 1000

typedef enum FilterOp
{
	OP_AND, OP_OR, OP_NOT,
	OP_EQ, OP_NEQ, OP_GT, OP_GTE, OP_LT, OP_LTE,
	OP_IN, OP_NIN, OP_CONTAINS, OP_STARTS_WITH, OP_ENDS_WITH, OP_MATCHES,
	OP_EXISTS
} FilterOp;

static const struct
{
	const char *name;
	FilterOp	op;
}			leaf_ops[] =
{
	{"eq", OP_EQ}, {"neq", OP_NEQ}, {"gt", OP_GT}, {"gte", OP_GTE},
	{"lt", OP_LT}, {"lte", OP_LTE}, {"in", OP_IN}, {"nin", OP_NIN},
	{"contains", OP_CONTAINS}, {"starts_with", OP_STARTS_WITH},
	{"ends_with", OP_ENDS_WITH}, {"matches", OP_MATCHES}, {"exists", OP_EXISTS}
};

struct MeterFilter
{
	FilterOp	op;
	int			nchildren;		/* and, or, not */
	MeterFilter **children;
	char	   *field;			/* leaf: its path, and as it was written */
	MeterPath  *path;
	MeterJson  *value;			/* leaf: the operand, a document of its own */
	bool		wanted;			/* exists */
	MeterDecimal number;		/* the operand, where it is a number */
	const char *text;			/* the operand, where it is a text */
	int			textlen;
	MeterRegex *regex;
};

static MeterFilter *compile(const MeterJson *doc, int node, int depth, MeterError *err);

static MeterFilter *
refuse(MeterError *err, const char *token, const char *message)
{
	meter_error_set(err, "INVALID_FILTER", "%s", message);
	if (token)
		meter_error_prepend(err, token, strlen(token));
	return NULL;
}

/* and, or: a list; not: one tree. */
static MeterFilter *
compile_branch(const MeterJson *doc, int node, FilterOp op, const char *key,
			   int depth, MeterError *err)
{
	MeterFilter *filter = palloc0(sizeof(MeterFilter));
	const MeterJsonNode *nodes = doc->nodes;
	int			operand = meter_json_member(doc, node, key, strlen(key));
	int			i = 0;

	filter->op = op;
	if (op == OP_NOT)
	{
		filter->nchildren = 1;
		filter->children = palloc(sizeof(MeterFilter *));
		filter->children[0] = compile(doc, operand, depth + 1, err);
		if (filter->children[0] == NULL)
			meter_error_prepend(err, key, strlen(key));
		return filter->children[0] ? filter : NULL;
	}

	if (nodes[operand].type != METER_JSON_ARRAY || nodes[operand].count == 0 ||
		nodes[operand].count > MAX_FILTER_VALUES)
		return refuse(err, key, "expected an array of 1 to 1000 filter trees");
	filter->nchildren = nodes[operand].count;
	filter->children = palloc(filter->nchildren * sizeof(MeterFilter *));
	for (int v = operand + 1; v < nodes[operand].next; v = nodes[v].next)
	{
		filter->children[i] = compile(doc, v, depth + 1, err);
		if (filter->children[i] == NULL)
		{
			char		number[16];

			meter_error_prepend(err, number, snprintf(number, sizeof(number), "%d", i));
			meter_error_prepend(err, key, strlen(key));
			return NULL;
		}
		i++;
	}
	return filter;
}

/* Check a leaf's operand against its op and prepare it. */
static bool
compile_operand(MeterFilter *filter, int value, MeterError *err)
{
	const MeterJson *doc = filter->value;
	MeterJsonType type = doc->nodes[0].type;

	switch (filter->op)
	{
		case OP_IN:
		case OP_NIN:
			if (type != METER_JSON_ARRAY || doc->nodes[0].count == 0 ||
				doc->nodes[0].count > MAX_FILTER_VALUES)
				return refuse(err, "value", "expected an array of 1 to 1000 values") != NULL;
			return true;
		case OP_EXISTS:
			if (type != METER_JSON_TRUE && type != METER_JSON_FALSE)
				return refuse(err, "value", "exists takes true or false") != NULL;
			filter->wanted = type == METER_JSON_TRUE;
			return true;
		case OP_GT:
		case OP_GTE:
		case OP_LT:
		case OP_LTE:
			if (type != METER_JSON_NUMBER && type != METER_JSON_STRING)
				return refuse(err, "value", "expected a number or a string to compare with") != NULL;
			break;
		case OP_STARTS_WITH:
		case OP_ENDS_WITH:
		case OP_MATCHES:
			if (type != METER_JSON_STRING)
				return refuse(err, "value", "expected a string") != NULL;
			break;
		default:
			if (type == METER_JSON_ARRAY || type == METER_JSON_OBJECT)
				return refuse(err, "value", "expected a string, a number, a boolean or null") != NULL;
	}
	if (type == METER_JSON_NUMBER && !meter_decimal_from_json(doc, 0, &filter->number, err))
	{
		meter_error_prepend(err, "value", 5);
		return false;
	}
	if (type == METER_JSON_STRING)
		filter->text = meter_json_string(doc, 0, &filter->textlen);
	if (filter->op == OP_MATCHES)
	{
		filter->regex = meter_regex_compile(filter->text, filter->textlen, err);
		if (filter->regex == NULL)
			meter_error_prepend(err, "value", 5);
		return filter->regex != NULL;
	}
	return true;
}

static MeterFilter *
compile_leaf(const MeterJson *doc, int node, MeterError *err)
{
	MeterFilter *filter = palloc0(sizeof(MeterFilter));
	int			field = meter_json_member(doc, node, "field", 5);
	int			op = meter_json_member(doc, node, "op", 2);
	int			value = meter_json_member(doc, node, "value", 5);
	const char *text;
	char	   *raw;
	int			len;

	if (field < 0 || doc->nodes[field].type != METER_JSON_STRING)
		return refuse(err, field < 0 ? NULL : "field",
					  "expected and, or, not, or a leaf with field, op and value");
	if (op < 0 || doc->nodes[op].type != METER_JSON_STRING)
		return refuse(err, op < 0 ? NULL : "op", "a leaf needs an op, a string");

	text = meter_json_string(doc, op, &len);
	filter->op = OP_AND;
	for (int i = 0; i < lengthof(leaf_ops); i++)
	{
		if (strlen(leaf_ops[i].name) == len && memcmp(leaf_ops[i].name, text, len) == 0)
			filter->op = leaf_ops[i].op;
	}
	if (filter->op == OP_AND)
		return refuse(err, "op", "unknown op; expected eq, neq, gt, gte, lt, lte, in, nin, "
					  "contains, starts_with, ends_with, matches or exists");

	filter->field = meter_json_cstring(doc, field);
	filter->path = meter_path_compile(filter->field, strlen(filter->field), err);
	if (filter->path == NULL)
	{
		meter_error_prepend(err, "field", 5);
		return NULL;
	}
	if (value >= 0)
		raw = meter_json_raw(doc, value, &len);
	else if (filter->op == OP_EXISTS)
		raw = pnstrdup("true", len = 4);
	else
		return refuse(err, NULL, "a leaf needs a value");
	filter->value = meter_json_parse_or_throw(raw, len, "filter value");
	return compile_operand(filter, value, err) ? filter : NULL;
}

static MeterFilter *
compile(const MeterJson *doc, int node, int depth, MeterError *err)
{
	MeterJsonMember *members;
	int			n;
	bool		leaf;

	if (depth > MAX_FILTER_DEPTH)
		return refuse(err, NULL, "nested deeper than 32 levels");
	if (doc->nodes[node].type != METER_JSON_OBJECT)
		return refuse(err, NULL, "expected an object: and, or, not, or a leaf with field, op and value");

	n = meter_json_members(doc, node, &members);
	leaf = meter_json_member(doc, node, "field", 5) >= 0 || n != 1;
	for (int i = 0; i < n; i++)
	{
		char	   *key = pnstrdup(members[i].key, members[i].keylen);

		if (!leaf && strcmp(key, "and") == 0)
			return compile_branch(doc, node, OP_AND, key, depth, err);
		if (!leaf && strcmp(key, "or") == 0)
			return compile_branch(doc, node, OP_OR, key, depth, err);
		if (!leaf && strcmp(key, "not") == 0)
			return compile_branch(doc, node, OP_NOT, key, depth, err);
		if (strcmp(key, "field") != 0 && strcmp(key, "op") != 0 && strcmp(key, "value") != 0)
			return refuse(err, key, "unknown key; expected and, or, not alone, or a leaf with field, op and value");
	}
	return compile_leaf(doc, node, err);
}

/* Compile a filter tree; see filter.h. */
MeterFilter *
meter_filter_compile(const MeterJson *doc, int node, MeterError *err)
{
	return compile(doc, node, 1, err);
}

/* <0, 0, >0; *comparable false where the types have no order. */
static int
compare(const MeterFilter *filter, const MeterJson *doc, int node, bool *comparable)
{
	const MeterJsonNode *n = &doc->nodes[node];

	*comparable = false;
	if (n->type == METER_JSON_NUMBER && filter->value->nodes[0].type == METER_JSON_NUMBER)
	{
		MeterDecimal number;
		MeterError	err;

		if (!meter_decimal_from_json(doc, node, &number, &err))
			return 0;
		*comparable = true;
		return meter_decimal_cmp(&number, &filter->number);
	}
	if (n->type == METER_JSON_STRING && filter->text)
	{
		int			len;
		const char *text = meter_json_string(doc, node, &len);
		int			cmp = memcmp(text, filter->text, Min(len, filter->textlen));

		*comparable = true;
		return cmp != 0 ? cmp : len - filter->textlen;
	}
	return 0;
}

static bool
equals(const MeterFilter *filter, const MeterJson *doc, int node)
{
	bool		comparable;

	if (node < 0)
		return filter->value->nodes[0].type == METER_JSON_NULL;
	if (doc->nodes[node].type == METER_JSON_STRING || doc->nodes[node].type == METER_JSON_NUMBER)
		return compare(filter, doc, node, &comparable) == 0 && comparable;
	return doc->nodes[node].type == filter->value->nodes[0].type &&
		meter_json_equal(doc, node, filter->value, 0);
}

static bool
in_list(const MeterFilter *filter, const MeterJson *doc, int node)
{
	const MeterJson *list = filter->value;

	for (int v = 1; v < list->nodes[0].next; v = list->nodes[v].next)
	{
		if (node < 0 ? list->nodes[v].type == METER_JSON_NULL :
			meter_json_equal(doc, node, list, v))
			return true;
	}
	return false;
}

/* A text that holds a text, or an array that holds a value. */
static bool
contains(const MeterFilter *filter, const MeterJson *doc, int node)
{
	const MeterJsonNode *n = &doc->nodes[node];

	if (n->type == METER_JSON_ARRAY)
	{
		for (int v = node + 1; v < n->next; v = doc->nodes[v].next)
		{
			if (meter_json_equal(doc, v, filter->value, 0))
				return true;
		}
		return false;
	}
	if (n->type == METER_JSON_STRING && filter->text)
	{
		int			len;
		const char *text = meter_json_string(doc, node, &len);

		return filter->textlen == 0 ||
			memmem(text, len, filter->text, filter->textlen) != NULL;
	}
	return false;
}

static bool
text_leaf(const MeterFilter *filter, const MeterJson *doc, int node)
{
	const char *text;
	int			len;

	if (doc->nodes[node].type != METER_JSON_STRING)
		return false;
	text = meter_json_string(doc, node, &len);
	if (filter->op == OP_MATCHES)
		return meter_regex_matches(filter->regex, text, len);
	if (len < filter->textlen)
		return false;
	if (filter->op == OP_ENDS_WITH)
		text += len - filter->textlen;
	return memcmp(text, filter->text, filter->textlen) == 0;
}

static bool
leaf_matches(const MeterFilter *filter, const MeterJson *doc, int root)
{
	int			node = meter_path_find_value(filter->path, doc, root);
	bool		comparable;
	int			cmp;

	switch (filter->op)
	{
		case OP_EQ:
			return equals(filter, doc, node);
		case OP_NEQ:
			return !equals(filter, doc, node);
		case OP_IN:
			return in_list(filter, doc, node);
		case OP_NIN:
			return !in_list(filter, doc, node);
		case OP_EXISTS:
			return (node >= 0) == filter->wanted;
		default:
			break;
	}
	if (node < 0)
		return false;
	switch (filter->op)
	{
		case OP_CONTAINS:
			return contains(filter, doc, node);
		case OP_STARTS_WITH:
		case OP_ENDS_WITH:
		case OP_MATCHES:
			return text_leaf(filter, doc, node);
		default:
			break;
	}
	cmp = compare(filter, doc, node, &comparable);
	if (!comparable)
		return false;
	return filter->op == OP_GT ? cmp > 0 : filter->op == OP_GTE ? cmp >= 0 :
		filter->op == OP_LT ? cmp < 0 : cmp <= 0;
}

/* Does the value at node pass? */
bool
meter_filter_matches(const MeterFilter *filter, const MeterJson *doc, int node)
{
	check_stack_depth();
	switch (filter->op)
	{
		case OP_NOT:
			return !meter_filter_matches(filter->children[0], doc, node);
		case OP_AND:
		case OP_OR:
			for (int i = 0; i < filter->nchildren; i++)
			{
				if (meter_filter_matches(filter->children[i], doc, node) == (filter->op == OP_OR))
					return filter->op == OP_OR;
			}
			return filter->op == OP_AND;
		default:
			return leaf_matches(filter, doc, node);
	}
}

/* Visit the name each leaf's field begins with. */
bool
meter_filter_fields(const MeterFilter *filter,
					bool (*visit) (void *arg, const char *field), void *arg)
{
	for (int i = 0; i < filter->nchildren; i++)
	{
		if (!meter_filter_fields(filter->children[i], visit, arg))
			return false;
	}
	if (filter->path == NULL)
		return true;
	return visit(arg, filter->path->nsteps == 1 && filter->path->steps[0].name ?
				 filter->path->steps[0].name : filter->field);
}
