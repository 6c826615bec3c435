/*
 * report.c
 *		SQL: meter.report_usage(organization_id, report, idempotency_key).
 *
 * A report is turned into an event aimed at its meter and goes the way of any
 * other event: the value is put where the meter's value_field looks for it,
 * beside the metadata.
 */
#include "surface/report.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "definitions/tenant.h"
#include "engine/spi.h"
#include "values/timestamp.h"

#define MAX_IDEMPOTENCY_KEY 255

typedef struct Report
{
	MeterJson  *doc;
	int			value;
	int			customer;
	int			meter;
	int			timestamp;
	int			metadata;
} Report;

static void
bad_report(const char *key, const char *code, const char *message)
{
	MeterError	err;

	meter_error_set(&err, code, "%s", message);
	if (key)
		meter_error_prepend(&err, key, strlen(key));
	meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, "invalid usage report");
}

/* A member, -1 where it is missing or null. */
static int
report_member(const MeterJson *doc, const char *key)
{
	int			node = meter_json_member(doc, 0, key, strlen(key));

	return node >= 0 && doc->nodes[node].type == METER_JSON_NULL ? -1 : node;
}

static void
require_string(const Report *report, int node, const char *key)
{
	if (node >= 0 && report->doc->nodes[node].type != METER_JSON_STRING)
		bad_report(key, "INVALID_TYPE", "expected a string");
}

/* Check the report's shape. */
static void
read_report(Report *report, MeterJson *doc)
{
	static const char *const known[] = {
		"value", "customerId", "meterId", "meterName", "timestamp", "metadata"
	};
	MeterJsonMember *members;
	int			n;
	int			by_name;

	report->doc = doc;
	if (doc->nodes[0].type != METER_JSON_OBJECT)
		bad_report(NULL, "INVALID_TYPE", "expected an object");
	n = meter_json_members(doc, 0, &members);
	for (int i = 0; i < n; i++)
	{
		char	   *key = pnstrdup(members[i].key, members[i].keylen);
		bool		found = false;

		for (int k = 0; k < lengthof(known); k++)
			found |= strcmp(known[k], key) == 0;
		if (!found)
			bad_report(key, "UNKNOWN_KEY", "expected value, customerId, meterId, meterName, timestamp and metadata only");
	}
	report->value = report_member(doc, "value");
	report->customer = report_member(doc, "customerId");
	report->meter = report_member(doc, "meterId");
	by_name = report_member(doc, "meterName");
	report->timestamp = report_member(doc, "timestamp");
	report->metadata = report_member(doc, "metadata");
	if (report->value < 0)
		bad_report("value", "MISSING_VALUE", "a report needs a value, a number");
	if (report->meter < 0 && by_name < 0)
		bad_report("meterId", "METER_IDENTIFIER_REQUIRED", "a report needs meterId or meterName");
	require_string(report, report->meter, "meterId");
	require_string(report, by_name, "meterName");
	require_string(report, report->customer, "customerId");
	require_string(report, report->timestamp, "timestamp");
	if (report->metadata >= 0 && doc->nodes[report->metadata].type != METER_JSON_OBJECT)
		bad_report("metadata", "INVALID_TYPE", "expected an object");
	if (report->meter < 0)
		report->meter = by_name;
}

/* Which meter, by id, key or name. */
static const MeterEntry *
find_meter(const pg_uuid_t *organization, const Report *report)
{
	int			len;
	const char *name = meter_json_string(report->doc, report->meter, &len);
	const MeterEntry *meter = meter_cache_meter_by_name(organization, name, len);

	if (meter == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("meter \"%.*s\" does not exist", len, name),
				 errdetail("METER_NOT_FOUND.")));
	if (meter->archived)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("meter \"%s\" is archived", meter->key),
				 errdetail("METER_ARCHIVED.")));
	if (meter->nversions == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("meter \"%s\" has no published version", meter->key),
				 errdetail("METER_NOT_PUBLISHED.")));
	return meter;
}

static void
append_raw(StringInfo buf, const MeterJson *doc, int node)
{
	const MeterJsonNode *n = &doc->nodes[node];
	int			quote = n->type == METER_JSON_STRING ? 1 : 0;

	appendBinaryStringInfo(buf, doc->text + n->off - quote, n->len + 2 * quote);
}

/* Does the metadata have what the path's first step leads to? */
static bool
in_metadata(const Report *report, const MeterPath *path)
{
	return report->metadata >= 0 &&
		meter_json_member(report->doc, report->metadata, path->steps[0].name, path->steps[0].namelen) >= 0;
}

/* Where the reported value goes. */
static MeterPath *
value_path(const MeterPlan *plan)
{
	MeterPath  *path;
	bool		calculated;
	MeterError	err;

	if (!meter_report_value_path(plan, &path, &calculated, &err))
		bad_report("value", err.code, err.message);
	return path;
}

/* Append the customer where the meter's account mapping looks for it. */
static void
append_customer(StringInfo buf, const Report *report, const MeterPath *path, const MeterPath *value)
{
	if (path == NULL || report->customer < 0 || path->nsteps != 1 || path->steps[0].name == NULL ||
		in_metadata(report, path) || (value && strcmp(value->steps[0].name, path->steps[0].name) == 0))
		return;
	if (buf->data[buf->len - 1] != '{')
		appendStringInfoChar(buf, ',');
	escape_json(buf, path->steps[0].name);
	appendStringInfoChar(buf, ':');
	append_raw(buf, report->doc, report->customer);
}

/* The report's data: its metadata, and the value where the meter looks for it. */
static void
append_data(StringInfo buf, const Report *report, const MeterPath *path, const MeterPath *subject_path)
{
	const MeterJson *doc = report->doc;
	MeterJsonMember *members = NULL;
	int			n = report->metadata >= 0 ? meter_json_members(doc, report->metadata, &members) : 0;
	bool		first = true;

	appendStringInfoChar(buf, '{');
	for (int i = 0; i < n; i++)
	{
		MeterJsonType type = doc->nodes[members[i].value].type;

		if (type == METER_JSON_ARRAY || type == METER_JSON_OBJECT || type == METER_JSON_NULL)
			bad_report("metadata", "INVALID_TYPE", psprintf("\"%.*s\": expected a string, a number or a boolean",
															members[i].keylen, members[i].key));
		if (path && path->steps[0].namelen == members[i].keylen &&
			memcmp(path->steps[0].name, members[i].key, members[i].keylen) == 0)
			bad_report("metadata", "INVALID_COMBINATION",
					   psprintf("\"%.*s\" is where the meter reads the value",
								members[i].keylen, members[i].key));
		if (!first)
			appendStringInfoChar(buf, ',');
		first = false;
		escape_json(buf, pnstrdup(members[i].key, members[i].keylen));
		appendStringInfoChar(buf, ':');
		append_raw(buf, doc, members[i].value);
	}
	if (path)
	{
		if (!first)
			appendStringInfoChar(buf, ',');
		for (int s = 0; s < path->nsteps; s++)
		{
			if (s > 0)
				appendStringInfoChar(buf, '{');
			escape_json(buf, path->steps[s].name);
			appendStringInfoChar(buf, ':');
		}
		append_raw(buf, doc, report->value);
		for (int s = 1; s < path->nsteps; s++)
			appendStringInfoChar(buf, '}');
	}
	append_customer(buf, report, subject_path, path);
	appendStringInfoChar(buf, '}');
}

/* The version that measures the report, by its time; where there is none, or no
 * such time, the event is refused whatever stands in it. */
static const MeterPlan *
report_plan(const Report *report, const MeterEntry *meter)
{
	TimestampTz time = GetCurrentTimestamp();
	const MeterPlan *plan;
	MeterError	err;

	if (report->timestamp >= 0)
	{
		int			len;
		const char *text = meter_json_string(report->doc, report->timestamp, &len);

		(void) meter_timestamp_parse(text, len, &time, &err);
	}
	plan = meter_entry_version(meter, time);
	return plan ? plan : meter->versions[meter->nversions - 1];
}

/* The report as an event. */
static MeterText
report_event(const Report *report, const MeterEntry *meter, const MeterPlan *plan, const char *key)
{
	const MeterPath *path = value_path(plan);
	MeterDecimal value;
	MeterError	err;
	StringInfoData buf;

	/* nobody else looks at what goes nowhere: a count is one, whatever was said */
	if (path == NULL && !meter_decimal_from_json(report->doc, report->value, &value, &err))
		bad_report("value", err.code, err.message);
	initStringInfo(&buf);
	appendStringInfoString(&buf, "{\"source\":\"report_usage\",\"id\":");
	escape_json(&buf, key);
	appendStringInfoString(&buf, ",\"meter\":");
	escape_json(&buf, meter->key);
	if (report->customer >= 0)
	{
		appendStringInfoString(&buf, ",\"subject\":");
		append_raw(&buf, report->doc, report->customer);
	}
	if (report->timestamp >= 0)
	{
		appendStringInfoString(&buf, ",\"time\":");
		append_raw(&buf, report->doc, report->timestamp);
	}
	appendStringInfoString(&buf, ",\"data\":");
	append_data(&buf, report, path, plan->subject_path);
	appendStringInfoChar(&buf, '}');
	return (MeterText) {buf.data, buf.len};
}

/* The place in the report that an event's place was made from. */
static char *
report_pointer(const MeterPlan *plan, const char *pointer)
{
	static const struct
	{
		const char *event;
		const char *report;
	}			places[] =
	{
		{"/subject", "/customerId"}, {"/time", "/timestamp"}, {"/data", "/metadata"}
	};
	const MeterPath *path = plan->profiles[0].value_path;

	if (pointer && path && strcmp(pointer, meter_path_pointer(path, "/data")) == 0)
		return pstrdup("/value");
	for (int i = 0; i < lengthof(places) && pointer; i++)
	{
		size_t		len = strlen(places[i].event);

		if (strncmp(pointer, places[i].event, len) == 0)
			return psprintf("%s%s", places[i].report, pointer + len);
	}
	/* the idempotency key is no part of the report */
	return NULL;
}

PG_FUNCTION_INFO_V1(meter_report_usage);

/* meter.report_usage(organization_id, report, idempotency_key) */
Datum
meter_report_usage(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *organization = meter_tenant_argument(fcinfo);
	char	   *key = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	Jsonb	   *body;
	MeterReported result = {.context = CurrentMemoryContext};
	Report		report;
	MeterIngest *ingest;
	const MeterEntry *meter;
	const MeterPlan *plan;
	char	   *text;
	StringInfoData answer;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("report must not be null")));
	if (key == NULL || key[0] == '\0' || strlen(key) > MAX_IDEMPOTENCY_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a usage report needs an idempotency key of 1 to 255 bytes"),
				 errdetail("IDEMPOTENCY_KEY_REQUIRED.")));
	body = PG_GETARG_JSONB_P(1);
	text = JsonbToCString(NULL, &body->root, VARSIZE(body));
	read_report(&report, meter_json_parse_or_throw(text, strlen(text), "invalid usage report"));

	SPI_connect();
	ingest = meter_ingest_begin(organization, meter_report_keep, &result);
	meter_ingest_fails(ingest);
	meter = find_meter(organization, &report);
	plan = report_plan(&report, meter);
	(void) meter_ingest_add(ingest, report_event(&report, meter, plan, key));
	meter_ingest_finish(ingest);
	if (result.error)
		result.error->pointer = report_pointer(plan, result.error->pointer);

	meter_report_require(&result, "usage report");
	SPI_finish();

	initStringInfo(&answer);
	if (result.status == METER_STATUS_DUPLICATE)
	{
		appendStringInfoString(&answer, "{\"status\":\"duplicate\",\"idempotencyKey\":");
		escape_json(&answer, key);
		appendStringInfoChar(&answer, '}');
	}
	else
		appendStringInfo(&answer, "{\"status\":\"queued\",\"requestId\":\"" INT64_FORMAT "\"}", result.seq);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(answer.data));
}
