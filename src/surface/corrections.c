/*
 * corrections.c
 *		SQL: meter.void_event() and meter.amend_event().
 */
#include "engine/correct.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "definitions/tenant.h"
#include "engine/spi.h"
#include "values/timestamp.h"

#define MAX_REASON 1000

/* Arguments that both have. */
enum
{
	ARG_TYPE = 1, ARG_KEY
};

/* An argument that must be there. */
static MeterText
get_text(FunctionCallInfo fcinfo, int argument, const char *name)
{
	text	   *t;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
	t = PG_GETARG_TEXT_PP(argument);
	return (MeterText) {VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t)};
}

/* Why it is done. */
static MeterText
get_reason(FunctionCallInfo fcinfo, int argument, bool required)
{
	MeterText	reason;
	int			len;

	if (!required && PG_ARGISNULL(argument))
		return (MeterText) {NULL, 0};
	reason = get_text(fcinfo, argument, "reason");
	len = pg_mbstrlen_with_len(reason.data, reason.len);
	if (len < 1 || len > MAX_REASON)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason: expected 1 to %d characters, got %d", MAX_REASON, len)));
	return reason;
}

static void
append_text(StringInfo buf, const char *name, MeterText value)
{
	appendStringInfo(buf, ",\"%s\":", name);
	if (value.data == NULL)
		appendStringInfoString(buf, "null");
	else
		escape_json(buf, pnstrdup(value.data, value.len));
}

static void
append_time(StringInfo buf, const char *name, TimestampTz time)
{
	char		text[METER_TIMESTAMP_LEN];

	meter_timestamp_format(time, text);
	appendStringInfo(buf, ",\"%s\":\"%s\"", name, text);
}

/* What was done, as an object. */
static Datum
write_result(const MeterCorrection *correction, const MeterCorrected *corrected)
{
	const MeterEventRow *event = &corrected->event;
	const MeterError *partial = corrected->partial;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"status\":\"%s\",\"seq\":%lld,\"replacement_seq\":", correction->amend ? "amended" : "voided",
					 (long long) event->seq);
	if (correction->amend)
		appendStringInfo(&buf, "%lld", (long long) corrected->replacement_seq);
	else
		appendStringInfoString(&buf, "null");
	append_text(&buf, "type", event->type);
	append_text(&buf, "id", event->id);
	append_text(&buf, "source", event->source);
	append_text(&buf, "subject", event->subject);
	append_time(&buf, "time", event->original_time);
	append_time(&buf, "reversed_at", corrected->reversed_at);
	append_text(&buf, "reason", correction->reason);
	append_text(&buf, "code", partial ? (MeterText) {partial->code, strlen(partial->code)} : (MeterText) {NULL, 0});
	append_text(&buf, "message",
				partial ? (MeterText) {partial->message, strlen(partial->message)} : (MeterText) {NULL, 0});
	appendStringInfoChar(&buf, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}

/* The arguments that both have; *source holds the one of that number. */
static MeterCorrection
read_arguments(FunctionCallInfo fcinfo, int source_argument, MeterText *source)
{
	MeterCorrection correction = {.organization = *meter_tenant_argument(fcinfo)};

	correction.type = get_text(fcinfo, ARG_TYPE, "type");
	correction.key = get_text(fcinfo, ARG_KEY, "key");
	if (!PG_ARGISNULL(source_argument))
	{
		*source = get_text(fcinfo, source_argument, "source");
		correction.source = source;
	}
	return correction;
}

/* Correct, and say what was done; the result outlives SPI. */
static Datum
correct(MeterCorrection *correction)
{
	MemoryContext context = CurrentMemoryContext;
	MeterCorrected corrected;
	Datum		result;

	SPI_connect();
	meter_store_require();
	meter_correct(correction, &corrected);
	MemoryContextSwitchTo(context);
	result = write_result(correction, &corrected);
	SPI_finish();
	return result;
}

PG_FUNCTION_INFO_V1(meter_void_event);

/* meter.void_event(organization_id, type, key, reason, source) */
Datum
meter_void_event(PG_FUNCTION_ARGS)
{
	MeterText	source;
	MeterCorrection correction = read_arguments(fcinfo, 4, &source);

	correction.reason = get_reason(fcinfo, 3, true);
	return correct(&correction);
}

PG_FUNCTION_INFO_V1(meter_amend_event);

/* meter.amend_event(organization_id, type, key, reason, data, source) */
Datum
meter_amend_event(PG_FUNCTION_ARGS)
{
	MeterText	source;
	MeterCorrection correction = read_arguments(fcinfo, 5, &source);

	correction.amend = true;
	correction.reason = get_reason(fcinfo, 3, false);
	if (!PG_ARGISNULL(4))
	{
		Jsonb	   *data = PG_GETARG_JSONB_P(4);

		correction.data.data = JsonbToCString(NULL, &data->root, VARSIZE(data));
		correction.data.len = strlen(correction.data.data);
	}
	return correct(&correction);
}
