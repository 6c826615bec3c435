/*
 * quota.c
 *		SQL: meter.check_quota(), meter.reserve(), meter.settle().
 */
#include "engine/quota.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "definitions/tenant.h"
#include "engine/locks.h"
#include "engine/spi.h"
#include "surface/demand.h"
#include "surface/report.h"
#include "values/timestamp.h"

#define DAYS_MAX 30				/* that a reservation may hold */

/* Arguments of all, and of each. */
enum
{
	ARG_METER = 1, ARG_SUBJECT, ARG_QUANTITY,
	CHECK_DIMENSIONS, CHECK_AT, CHECK_CURRENCY,
	RESERVE_TTL = CHECK_DIMENSIONS, RESERVE_DIMENSIONS, RESERVE_CURRENCY
};

static void
invalid(const char *argument, const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s: %s", argument, message)));
}

static void
require_not_null(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

static MeterText
text_argument(FunctionCallInfo fcinfo, int argument)
{
	text	   *value;

	if (PG_ARGISNULL(argument))
		return (MeterText) {NULL, 0};
	value = PG_GETARG_TEXT_PP(argument);
	return (MeterText) {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* A meter that reports are taken for. */
static const MeterEntry *
find_meter(const pg_uuid_t *organization, MeterText name)
{
	const MeterEntry *meter = meter_cache_meter(organization, name.data, name.len);

	if (meter == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("meter \"%.*s\" does not exist", name.len, name.data),
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

/* The version in force at the demand's time. */
static void
find_version(MeterDemand *demand)
{
	demand->plan = meter_entry_version(demand->meter, demand->time);
	if (demand->plan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("meter \"%s\" has no version at that time", demand->meter->key)));
}

/* A JSON object, of a jsonb or its text. */
static MeterJson *
parse_dimensions(const char *text, int len)
{
	return meter_json_parse_or_throw(text, len, "dimensions");
}

static MeterJson *
dimensions_argument(FunctionCallInfo fcinfo, int argument)
{
	Jsonb	   *value;
	char	   *text = "{}";

	if (!PG_ARGISNULL(argument))
	{
		value = PG_GETARG_JSONB_P(argument);
		text = JsonbToCString(NULL, &value->root, VARSIZE(value));
	}
	return parse_dimensions(text, strlen(text));
}

static Numeric
quantity_argument(FunctionCallInfo fcinfo)
{
	Numeric		quantity;

	require_not_null(fcinfo, ARG_QUANTITY, "quantity");
	quantity = PG_GETARG_NUMERIC(ARG_QUANTITY);
	if (numeric_is_nan(quantity) || numeric_is_inf(quantity))
		invalid("quantity", "expected a number");
	return quantity;
}

/* The change that the demand would be. */
static MeterChange
demand_change(const MeterDemand *demand, const MeterSeries *series, const MeterMeasure *measure)
{
	return (MeterChange) {
		.meter = demand->meter, .plan = demand->plan, .measure = measure, .series = series,
			.time = demand->time, .seq = PG_INT64_MAX, .weight = 1
	};
}

static void
put_number(StringInfo buf, const char *name, const MeterDecimal *value)
{
	appendStringInfo(buf, ",\"%s\":%s", name, value == NULL ? "null" :
					 DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(meter_decimal_to_numeric(value)))));
}

/* What quotas say, as JSON. */
static Datum
answer_json(const MeterQuotaAnswer *answer, const MeterEntry *meter, const MeterDecimal *asked)
{
	bool		limited = answer->threshold != NULL;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"allowed\":%s", answer->allowed ? "true" : "false");
	put_number(&buf, "limit", limited ? &answer->limit : NULL);
	put_number(&buf, "used", limited && answer->has_used ? &answer->used : NULL);
	put_number(&buf, "reserved", limited ? &answer->reserved : NULL);
	put_number(&buf, "asked", limited ? &answer->asked : asked);
	put_number(&buf, "remaining", limited && answer->has_remaining ? &answer->remaining : NULL);
	appendStringInfoString(&buf, ",\"window\":");
	if (limited)
	{
		char		start[METER_TIMESTAMP_LEN];
		char		end[METER_TIMESTAMP_LEN];

		meter_timestamp_format(answer->window_start, start);
		meter_timestamp_format(answer->window_end, end);
		appendStringInfo(&buf, "{\"start\":\"%s\",\"end\":\"%s\"}", start, end);
	}
	else
		appendStringInfoString(&buf, "null");
	appendStringInfoString(&buf, ",\"threshold\":");
	if (limited)
		escape_json(&buf, answer->threshold);
	else
		appendStringInfoString(&buf, "null");
	appendStringInfoString(&buf, ",\"meter\":");
	escape_json(&buf, meter->key);
	appendStringInfoChar(&buf, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}

PG_FUNCTION_INFO_V1(meter_check_quota);

/* meter.check_quota(organization_id, meter, subject, quantity, dimensions, at, currency) */
Datum
meter_check_quota(PG_FUNCTION_ARGS)
{
	MeterDemand demand;
	MeterSeries series;
	MeterMeasure measure;
	MeterChange change;
	MeterQuotaAnswer answer;
	const pg_uuid_t *organization = meter_tenant_argument(fcinfo);
	Datum		result;

	require_not_null(fcinfo, ARG_METER, "meter");
	demand.quantity = quantity_argument(fcinfo);
	demand.subject = text_argument(fcinfo, ARG_SUBJECT);
	demand.dimensions = dimensions_argument(fcinfo, CHECK_DIMENSIONS);
	demand.currency = text_argument(fcinfo, CHECK_CURRENCY);
	demand.time = PG_ARGISNULL(CHECK_AT) ? GetCurrentTimestamp() : PG_GETARG_TIMESTAMPTZ(CHECK_AT);
	if (!meter_timestamp_in_range(demand.time))
		invalid("at", "expected years 1 to 9999");

	SPI_connect();
	meter_cache_refresh(false);
	meter_store_require();
	demand.meter = find_meter(organization, text_argument(fcinfo, ARG_METER));
	find_version(&demand);
	meter_demand_check(&demand);
	series = meter_demand_series(&demand);
	measure = meter_demand_measure(&demand);
	change = demand_change(&demand, &series, &measure);
	answer = meter_quota_check(organization, &change, &measure.value);
	result = SPI_datumTransfer(answer_json(&answer, demand.meter, &measure.value), false, -1);
	SPI_finish();
	return result;
}

/* When a reservation made at a time ends. */
static TimestampTz
expiry(TimestampTz now, Interval *ttl)
{
	TimestampTz end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
															  IntervalPGetDatum(ttl)));

	if (end <= now || end > now + DAYS_MAX * USECS_PER_DAY)
		invalid("ttl", "expected an interval above zero, of 30 days at most");
	return end;
}

/* Begin to change what is reserved: as ingestion begins. */
static void
begin_change(const pg_uuid_t *organization)
{
	(void) GetTopTransactionId();
	meter_lock_definitions_shared(organization);
	meter_cache_refresh(true);
}

/* How much of the quotas the quantity would use. */
static MeterDecimal
amount_of(const MeterDemand *demand)
{
	MeterMeasure measure;

	if (!meter_quota_holds(demand->plan->profiles[0].function))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("meter \"%s\" has a function whose usage cannot be reserved", demand->meter->key),
				 errdetail("Usage of sum, count and custom can.")));
	measure = meter_demand_measure(demand);
	if (meter_decimal_sign(&measure.value) <= 0)
		invalid("quantity", "expected what uses more than nothing");
	return measure.value;
}

PG_FUNCTION_INFO_V1(meter_reserve);

/* meter.reserve(organization_id, meter, subject, quantity, ttl, dimensions, currency) */
Datum
meter_reserve(PG_FUNCTION_ARGS)
{
	MeterReservation reservation = {0};
	pg_uuid_t  *id = DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	MeterDemand demand;
	MeterSeries series;
	MeterChange change;
	MeterDecimal amount;
	const pg_uuid_t *organization = meter_tenant_argument(fcinfo);

	require_not_null(fcinfo, ARG_METER, "meter");
	require_not_null(fcinfo, RESERVE_TTL, "ttl");
	demand.quantity = quantity_argument(fcinfo);
	demand.subject = text_argument(fcinfo, ARG_SUBJECT);
	demand.dimensions = dimensions_argument(fcinfo, RESERVE_DIMENSIONS);
	demand.currency = text_argument(fcinfo, RESERVE_CURRENCY);

	SPI_connect();
	PreventCommandIfReadOnly("meter.reserve()");
	meter_store_require();
	begin_change(organization);
	demand.time = GetCurrentTimestamp();
	demand.meter = find_meter(organization, text_argument(fcinfo, ARG_METER));
	find_version(&demand);
	meter_demand_check(&demand);
	amount = amount_of(&demand);
	series = meter_demand_series(&demand);
	meter_demand_require_counted(&demand, &series);
	change = demand_change(&demand, &series, NULL);
	reservation = (MeterReservation) {
		.organization = *organization, .id = *id, .meter_id = demand.meter->id,
			.subject = demand.subject, .dimensions = {demand.dimensions->text, strlen(demand.dimensions->text)},
			.currency = demand.currency, .quantity = demand.quantity, .reserved_at = demand.time,
			.expires_at = expiry(demand.time, PG_GETARG_INTERVAL_P(RESERVE_TTL))
	};
	meter_quota_reserve(&reservation, &change, &amount);
	SPI_finish();
	PG_RETURN_UUID_P(id);
}

static char *
uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

static void
no_reservation(const pg_uuid_t *id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("reservation %s does not exist", uuid_text(id)),
			 errdetail("RESERVATION_NOT_FOUND.")));
}

/* Report what was used; what was held for it is let go of on the way.  Returns
 * the event's arrival number. */
static int64
report_used(const MeterReservation *reservation, const MeterSettlement *settlement, Numeric actual)
{
	MeterReported reported = {.context = CurrentMemoryContext};
	MeterIngest *ingest = meter_ingest_begin(&reservation->organization, meter_report_keep, &reported);
	MeterDemand demand = {
		.meter = settlement->meter, .time = GetCurrentTimestamp(), .subject = reservation->subject,
		.dimensions = parse_dimensions(reservation->dimensions.data, reservation->dimensions.len),
		.currency = reservation->currency, .quantity = actual
	};

	find_version(&demand);
	meter_ingest_fails(ingest);
	meter_ingest_settles(ingest, settlement);
	(void) meter_ingest_add(ingest, meter_demand_event(&demand, psprintf("reservation:%s", uuid_text(&reservation->id))));
	meter_ingest_finish(ingest);
	meter_report_require(&reported, "usage of a reservation");
	return reported.seq;
}

/* Was nothing used?  Raises 22023 for what cannot be. */
static bool
is_nothing(Numeric actual)
{
	MeterDecimal value;
	MeterError	err;

	if (!meter_decimal_from_numeric(actual, &value, &err))
		meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, "actual");
	if (meter_decimal_sign(&value) < 0)
		invalid("actual", "expected a number that is not below zero");
	return meter_decimal_sign(&value) == 0;
}

/* A meter that counts counts one event. */
static void
require_one(const MeterEntry *meter, Numeric actual)
{
	const MeterPlan *plan = meter_entry_version(meter, GetCurrentTimestamp());
	Datum		one = DirectFunctionCall1(int4_numeric, Int32GetDatum(1));

	if (plan && plan->profiles[0].function == METER_FUNCTION_COUNT &&
		DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(actual), one)) != 0)
		invalid("actual", "expected 1, or 0 for none: the meter counts events, and this is one");
}

/* A reservation that was settled is settled again. */
static void
require_same(const MeterReservation *reservation, Numeric actual)
{
	if (DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(actual), NumericGetDatum(reservation->actual))) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("reservation %s is settled already, by %s", uuid_text(&reservation->id),
						DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(reservation->actual)))),
				 errdetail("RESERVATION_SETTLED.")));
}

/* Settle a reservation; returns the answer's text, palloc'd. */
static char *
settle(MeterReservation *reservation, Numeric actual)
{
	bool		nothing = is_nothing(actual);
	char	   *meter_id;
	MeterSettlement settlement = {.reservation = reservation->id};
	int64		seq = 0;

	if (!meter_reservation_take(reservation))
		no_reservation(&reservation->id);
	if (reservation->settled)
	{
		require_same(reservation, actual);
		return pstrdup("{\"status\":\"duplicate\"}");
	}
	meter_id = uuid_text(&reservation->meter_id);
	settlement.meter = meter_cache_meter(&reservation->organization, meter_id, strlen(meter_id));
	if (nothing && settlement.meter)
		meter_watching_release(&reservation->organization, &settlement);
	else if (!nothing)
	{
		settlement.meter = find_meter(&reservation->organization, (MeterText) {meter_id, strlen(meter_id)});
		require_one(settlement.meter, actual);
		seq = report_used(reservation, &settlement, actual);
	}
	meter_reservation_settle(reservation, actual);
	return nothing ? pstrdup("{\"status\":\"settled\",\"requestId\":null}") :
		psprintf("{\"status\":\"settled\",\"requestId\":\"" INT64_FORMAT "\"}", seq);
}

PG_FUNCTION_INFO_V1(meter_settle);

/* meter.settle(reservation, actual) */
Datum
meter_settle(PG_FUNCTION_ARGS)
{
	MeterReservation reservation = {0};
	Numeric		actual;
	char	   *answer;
	Datum		result;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", PG_ARGISNULL(0) ? "reservation" : "actual")));
	reservation.id = *PG_GETARG_UUID_P(0);
	actual = PG_GETARG_NUMERIC(1);
	if (numeric_is_nan(actual) || numeric_is_inf(actual))
		invalid("actual", "expected a number that is not below zero");

	SPI_connect();
	PreventCommandIfReadOnly("meter.settle()");
	meter_store_require();
	if (!meter_reservation_find(&reservation.id, &reservation.organization) ||
		!meter_tenant_in_claims(&reservation.organization))
		no_reservation(&reservation.id);
	begin_change(&reservation.organization);
	answer = settle(&reservation, actual);
	result = SPI_datumTransfer(DirectFunctionCall1(jsonb_in, CStringGetDatum(answer)), false, -1);
	SPI_finish();
	return result;
}
