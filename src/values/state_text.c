/*
 * state_text.c
 *		Usage states as text: a JSON object with all that the state holds.
 *
 *		{"function":"sum","count":3,"sum":12.50}
 *		{"function":"count","count":3}
 *		{"function":"max","count":3,"value":7}
 *		{"function":"latest","count":2,"value":7,"time":"2026-03-05T00:00:00+00:00","seq":9}
 *		{"function":"unique_count","count":3,"keys":{"a":2,"b":1},"digests":{"0c…":1}}
 *		{"function":"unique_count","count":3,"hll":"128e7f…"}
 *		{"function":"percentile","count":3,"values":[[1.5,2],[3,1]]}
 *		{"function":"weighted_sum","count":1,"points":[["2026-03-05T00:00:00+00:00",9,7,1]]}
 *		{"function":"weighted_sum","count":1,"sum":7,"moment":5782752000000000}
 *
 * Entries end with their count; a point is time, seq, value and count.  Times
 * are always in UTC and written so, which keeps input and output independent
 * of the session's settings.
 */
#include "values/decimal_private.h"
#include "values/state_private.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

/* A decimal, with its display scale. */
static void
append_decimal(StringInfo buf, const MeterDecimal *d)
{
	Numeric		num = meter_decimal_to_numeric(d);

	appendStringInfoString(buf, DatumGetCString(DirectFunctionCall1(numeric_out,
																	NumericGetDatum(num))));
}

/* A time in quotes. */
static void
append_time(StringInfo buf, TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		fsec;
	char		text[MAXDATELEN + 1];

	if (TIMESTAMP_NOT_FINITE(time))
		EncodeSpecialTimestamp(time, text);
	else
	{
		if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("timestamp out of range")));
		tm.tm_isdst = 0;		/* or no zone is written */
		EncodeDateTime(&tm, fsec, true, 0, NULL, USE_XSD_DATES, text);
	}
	appendStringInfo(buf, "\"%s\"", text);
}

/* The keys kept whole, or those kept as digests. */
static void
append_keys(StringInfo buf, const MeterBag *bag, const char *name, bool digests)
{
	const MeterBagItem **items;
	uint32		n = meter_bag_sorted_keys(bag, &items);
	const char *separator = "";

	appendStringInfo(buf, ",\"%s\":{", name);
	for (uint32 i = 0; i < n; i++)
	{
		const char *entry = bag->bytes + items[i]->offset;
		char		hex[2 * METER_KEY_INLINE + 1];

		if ((entry[0] == METER_KEY_DIGEST) != digests)
			continue;
		appendStringInfoString(buf, separator);
		if (digests)
		{
			hex[hex_encode(entry + 1, METER_KEY_INLINE, hex)] = '\0';
			appendStringInfo(buf, "\"%s\"", hex);
		}
		else
			escape_json(buf, pnstrdup(entry + 1, items[i]->len - 1));
		appendStringInfo(buf, ":" INT64_FORMAT, items[i]->count);
		separator = ",";
		if ((i & 0xFFF) == 0xFFF)
			CHECK_FOR_INTERRUPTS();
	}
	appendStringInfoChar(buf, '}');
	pfree(items);
}

/* The sketch, as an hll value's bytes. */
static void
append_sketch(StringInfo buf, const MeterState *state)
{
	bytea	   *value = meter_sketch_value(state);
	int			len = value ? VARSIZE(value) - VARHDRSZ : 0;

	appendStringInfoString(buf, ",\"hll\":\"");
	enlargeStringInfo(buf, 2 * len);
	if (value)
		buf->len += hex_encode(VARDATA(value), len, buf->data + buf->len);
	appendStringInfoChar(buf, '"');
}

/* The values, or the points. */
static void
append_entries(StringInfo buf, const MeterBag *bag, MeterBagKind kind)
{
	MeterBagEntry *entries;
	uint32		n = meter_bag_sorted_entries(bag, kind, &entries);

	appendStringInfo(buf, ",\"%s\":[", kind == METER_BAG_POINTS ? "points" : "values");
	for (uint32 i = 0; i < n; i++)
	{
		appendStringInfoString(buf, i > 0 ? ",[" : "[");
		if (kind == METER_BAG_POINTS)
		{
			append_time(buf, entries[i].time);
			appendStringInfo(buf, "," INT64_FORMAT ",", entries[i].seq);
		}
		append_decimal(buf, &entries[i].value);
		appendStringInfo(buf, "," INT64_FORMAT "]", entries[i].count);
		if ((i & 0xFFF) == 0xFFF)
			CHECK_FOR_INTERRUPTS();
	}
	appendStringInfoChar(buf, ']');
	pfree(entries);
}

/* Append the state's text. */
void
meter_state_to_text(const MeterState *state, StringInfo buf)
{
	appendStringInfo(buf, "{\"function\":\"%s\",\"count\":" INT64_FORMAT,
					 meter_function_name(state->function), state->count);
	if (state->sketch)
		append_sketch(buf, state);
	else if (state->function == METER_FUNCTION_UNIQUE_COUNT)
	{
		append_keys(buf, &state->bag, "keys", false);
		append_keys(buf, &state->bag, "digests", true);
	}
	else if (meter_state_has_bag(state))
		append_entries(buf, &state->bag, meter_state_bag_kind(state));
	else if (state->function == METER_FUNCTION_MIN || state->function == METER_FUNCTION_MAX ||
			 state->function == METER_FUNCTION_LATEST)
	{
		if (state->count > 0)
		{
			appendStringInfoString(buf, ",\"value\":");
			append_decimal(buf, &state->value);
			if (state->function == METER_FUNCTION_LATEST)
			{
				appendStringInfoString(buf, ",\"time\":");
				append_time(buf, state->time);
				appendStringInfo(buf, ",\"seq\":" INT64_FORMAT, state->seq);
			}
		}
	}
	else if (state->function != METER_FUNCTION_COUNT)
	{
		appendStringInfoString(buf, ",\"sum\":");
		append_decimal(buf, &state->value);
		if (state->function == METER_FUNCTION_WEIGHTED_SUM)
		{
			appendStringInfoString(buf, ",\"moment\":");
			append_decimal(buf, &state->moment);
		}
	}
	appendStringInfoChar(buf, '}');
}

/* Reading: the document, and how many of its members have been asked for. */
typedef struct TextReader
{
	MeterJson	doc;
	int			used;
	MeterState *state;
} TextReader;

/* Refuse the text, saying what it should have had. */
static void pg_attribute_noreturn()
refuse(const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s", "meter.usage_state"),
			 errdetail("Expected %s.", expected)));
}

/* A member that must be there. */
static int
read_member(TextReader *r, const char *name, MeterJsonType type, const char *expected)
{
	int			node = meter_json_member(&r->doc, 0, name, strlen(name));

	if (node < 0 || r->doc.nodes[node].type != type)
		refuse(expected);
	r->used++;
	return node;
}

/* A number as it is: a sum may have more digits than a value. */
static void
read_decimal(TextReader *r, int node, MeterDecimal *out)
{
	int			len;

	if (r->doc.nodes[node].type != METER_JSON_NUMBER)
		refuse("a number");
	meter_decimal_from_result(out,
							  DirectFunctionCall3(numeric_in,
												  CStringGetDatum(meter_json_raw(&r->doc, node, &len)),
												  ObjectIdGetDatum(InvalidOid),
												  Int32GetDatum(-1)));
}

/* A whole number. */
static int64
read_int64(TextReader *r, int node)
{
	MeterDecimal value;

	read_decimal(r, node, &value);
	if (value.big != NULL || value.scale != 0 || (int64) value.mantissa != value.mantissa)
		refuse("a whole number of 64 bits");
	return (int64) value.mantissa;
}

/* A time as append_time writes it. */
static TimestampTz
read_time(TextReader *r, int node)
{
	char	   *text;
	int			len;
	int			digits;

	if (r->doc.nodes[node].type != METER_JSON_STRING)
		refuse("a time in UTC, such as \"2026-03-05T00:00:00+00:00\"");
	text = meter_json_cstring(&r->doc, node);
	len = strlen(text);

	/* nothing that the session's DateStyle or time zone could read otherwise */
	digits = strspn(text, "0123456789");
	if (strcmp(text, "infinity") != 0 && strcmp(text, "-infinity") != 0 &&
		!(digits >= 4 && text[digits] == '-' && strchr(text, 'T') != NULL &&
		  ((len > 6 && strcmp(text + len - 6, "+00:00") == 0) ||
		   (len > 9 && strcmp(text + len - 9, "+00:00 BC") == 0))))
		refuse("a time in UTC, such as \"2026-03-05T00:00:00+00:00\"");
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(text),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1)));
}

/* An entry's count. */
static int64
read_entry_count(TextReader *r, int node)
{
	int64		count = read_int64(r, node);

	if (count == 0)
		refuse("entries with a count that is not zero");
	return count;
}

/* The keys kept whole, or those kept as digests. */
static void
read_keys(TextReader *r, const char *name, bool digests)
{
	const MeterJsonNode *nodes = r->doc.nodes;
	int			object = read_member(r, name, METER_JSON_OBJECT,
									 "\"keys\" and \"digests\", objects of counts");

	for (int k = object + 1; k < nodes[object].next; k = nodes[k + 1].next)
	{
		int			len;
		const char *key = meter_json_string(&r->doc, k, &len);
		char		entry[1 + METER_KEY_INLINE];

		CHECK_FOR_INTERRUPTS();
		if (len > (digests ? 2 : 1) * METER_KEY_INLINE ||
			(digests && (len < 2 * METER_KEY_INLINE ||
						 strspn(key, "0123456789abcdef") < len)))
			refuse("keys of at most 32 bytes, or digests of 64 hexadecimal digits");
		if (digests)
		{
			entry[0] = METER_KEY_DIGEST;
			hex_decode(key, len, entry + 1);
			meter_bag_add(&r->state->bag, entry, sizeof(entry), read_entry_count(r, k + 1));
		}
		else
			meter_bag_add_key(&r->state->bag, key, len, read_entry_count(r, k + 1));
	}
}

/* An hll value's bytes. */
static void
read_sketch(TextReader *r, int64 count)
{
	const char *expected = "\"hll\", a value of log2m 14 and regwidth 5 in hexadecimal digits";
	int			len;
	const char *hex = meter_json_string(&r->doc, read_member(r, "hll", METER_JSON_STRING, expected),
										&len);
	bytea	   *value;

	if (count < 0)
		refuse("a count that is not negative");
	if (len == 0)
		return;
	if (len % 2 != 0 || strspn(hex, "0123456789abcdef") < len)
		refuse(expected);
	value = palloc(VARHDRSZ + len / 2);
	SET_VARSIZE(value, VARHDRSZ + len / 2);
	hex_decode(hex, len, VARDATA(value));
	if (!meter_sketch_is_ours(VARDATA(value), len / 2))
		refuse(expected);
	meter_sketch_merge(r->state, value);
	meter_sketch_check(r->state);
}

/* The values, or the points. */
static void
read_entries(TextReader *r, MeterBagKind kind)
{
	const MeterJsonNode *nodes = r->doc.nodes;
	const char *expected = kind == METER_BAG_POINTS ?
		"\"points\", an array of [time, seq, value, count]" :
		"\"values\", an array of [value, count]";
	int			array = read_member(r, kind == METER_BAG_POINTS ? "points" : "values",
									METER_JSON_ARRAY, expected);

	for (int v = array + 1; v < nodes[array].next; v = nodes[v].next)
	{
		MeterDecimal value;
		TimestampTz time = 0;
		int64		seq = 0;
		int			part = v + 1;	/* the parts are scalars, a node each */

		CHECK_FOR_INTERRUPTS();
		if (nodes[v].type != METER_JSON_ARRAY ||
			nodes[v].count != (kind == METER_BAG_POINTS ? 4 : 2))
			refuse(expected);
		if (kind == METER_BAG_POINTS)
		{
			time = read_time(r, part++);
			seq = read_int64(r, part++);
			if (TIMESTAMP_NOT_FINITE(time))
				refuse("points at finite times");
		}
		read_decimal(r, part++, &value);
		if (kind == METER_BAG_POINTS)
			meter_bag_add_point(&r->state->bag, time, seq, &value, read_entry_count(r, part),
								false);
		else
			meter_bag_add_value(&r->state->bag, &value, read_entry_count(r, part));
	}
}

/* min, max and latest. */
static void
read_single(TextReader *r, int64 count)
{
	MeterDecimal value;
	TimestampTz time = 0;
	int64		seq = 0;

	if (count < 0)
		refuse("a count that is not negative");
	if (count == 0)
		return;
	read_decimal(r, read_member(r, "value", METER_JSON_NUMBER, "\"value\", a number"), &value);
	if (r->state->function == METER_FUNCTION_LATEST)
	{
		time = read_time(r, read_member(r, "time", METER_JSON_STRING, "\"time\", a text"));
		seq = read_int64(r, read_member(r, "seq", METER_JSON_NUMBER, "\"seq\", a number"));
	}
	meter_state_offer(r->state, &value, time, seq);
}

/* Add what the member says to an empty sum. */
static void
read_sum(TextReader *r, const char *name, MeterDecimal *sum)
{
	MeterDecimal value;

	read_decimal(r, read_member(r, name, METER_JSON_NUMBER, "\"sum\" and the like, a number"),
				 &value);
	meter_state_sum_add(r->state, sum, &value, 1);
}

/* All that follows function and count. */
static void
read_body(TextReader *r, int64 count)
{
	MeterState *state = r->state;

	switch (state->function)
	{
		case METER_FUNCTION_SUM:
		case METER_FUNCTION_AVG:
		case METER_FUNCTION_CUSTOM:
			read_sum(r, "sum", &state->value);
			break;
		case METER_FUNCTION_COUNT:
			break;
		case METER_FUNCTION_MIN:
		case METER_FUNCTION_MAX:
		case METER_FUNCTION_LATEST:
			read_single(r, count);
			break;
		case METER_FUNCTION_UNIQUE_COUNT:
			if (state->sketch)
			{
				read_sketch(r, count);
				break;
			}
			read_keys(r, "keys", false);
			read_keys(r, "digests", true);
			break;
		case METER_FUNCTION_PERCENTILE:
			read_entries(r, METER_BAG_VALUES);
			break;
		case METER_FUNCTION_WEIGHTED_SUM:
			if (meter_json_member(&r->doc, 0, "moment", strlen("moment")) < 0)
			{
				read_entries(r, METER_BAG_POINTS);
				break;
			}
			state->sums = true;
			read_sum(r, "sum", &state->value);
			read_sum(r, "moment", &state->moment);
			break;
	}
}

/* Text to state. */
MeterState *
meter_state_from_text(const char *text, int len, MemoryContext context)
{
	TextReader	r = {0};
	MeterError	err;
	MeterFunction function;
	int			node;
	const char *name;
	int			namelen;
	int64		count;

	if (!meter_json_parse(&r.doc, text, len, &err))
		meter_error_throw(&err, ERRCODE_INVALID_TEXT_REPRESENTATION,
						  "invalid input syntax for type meter.usage_state");
	if (r.doc.nodes[0].type != METER_JSON_OBJECT)
		refuse("an object with \"function\" and \"count\"");
	node = read_member(&r, "function", METER_JSON_STRING, "\"function\", a function's name");
	name = meter_json_string(&r.doc, node, &namelen);
	if (!meter_function_parse(name, namelen, &function))
		refuse("\"function\", a function's name");
	r.state = function == METER_FUNCTION_UNIQUE_COUNT &&
		meter_json_member(&r.doc, 0, "hll", strlen("hll")) >= 0 ?
		meter_state_create_approximate(context) : meter_state_create(function, context);
	count = read_int64(&r, read_member(&r, "count", METER_JSON_NUMBER, "\"count\", a number"));
	read_body(&r, count);
	r.state->count = count;
	if (r.used != r.doc.nodes[0].count)
		refuse("no members but those the function has, each once");
	return r.state;
}

/* Keys that came from a client must be text as the server has it, and a sketch
 * what hll takes for one. */
void
meter_state_check_keys(const MeterState *state)
{
	if (state->function != METER_FUNCTION_UNIQUE_COUNT)
		return;
	if (state->sketch)
	{
		meter_sketch_check(state);
		return;
	}
	for (uint32 i = 0; i < state->bag.nitems; i++)
	{
		const MeterBagItem *item = &state->bag.items[i];
		const char *entry = state->bag.bytes + item->offset;

		if (entry[0] != METER_KEY_DIGEST &&
			pg_encoding_verifymbstr(PG_UTF8, entry + 1, item->len - 1) != item->len - 1)
			meter_packed_malformed("key that is no text");
		if ((i & 0xFFF) == 0xFFF)
			CHECK_FOR_INTERRUPTS();
	}
}
