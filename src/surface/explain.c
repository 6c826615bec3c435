/*
 * explain.c
 *		SQL: meter.explain_usage().
 */
#include "engine/explain.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "engine/spi.h"
#include "surface/usage_request.h"

#define MAX_PAGE 10000

/* Arguments of meter.explain_usage after those that all share. */
enum
{
	ARG_FILTER = 5, ARG_PROFILE, ARG_AS_OF, ARG_AFTER_TIME, ARG_AFTER_SEQ, ARG_PAGE_SIZE
};

/* Read and check the arguments. */
static void
read_request(FunctionCallInfo fcinfo, MeterExplainRequest *request, MeterText *subject)
{
	meter_request_read(fcinfo, &request->usage, subject);
	meter_request_as_of(fcinfo, ARG_AS_OF, &request->usage);
	meter_request_profile(fcinfo, ARG_PROFILE, &request->usage);
	meter_request_filter(fcinfo, ARG_FILTER, &request->usage);

	if (PG_ARGISNULL(ARG_AFTER_TIME) != PG_ARGISNULL(ARG_AFTER_SEQ))
		meter_request_invalid("after_time, after_seq", "expected both or none");
	request->has_after = !PG_ARGISNULL(ARG_AFTER_TIME);
	if (request->has_after)
	{
		request->after_time = PG_GETARG_TIMESTAMPTZ(ARG_AFTER_TIME);
		request->after_seq = PG_GETARG_INT64(ARG_AFTER_SEQ);
	}
	request->limit = PG_ARGISNULL(ARG_PAGE_SIZE) ? 0 : PG_GETARG_INT32(ARG_PAGE_SIZE);
	if (request->limit < 1 || request->limit > MAX_PAGE)
		meter_request_invalid("page_size", "expected 1 to 10000");
}

/* Write a row of the answer. */
static void
emit_row(void *arg, const MeterExplainRow *row)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[13];
	bool		nulls[13] = {false};

	values[0] = TimestampTzGetDatum(row->event.time);
	values[1] = Int64GetDatum(row->event.seq);
	values[2] = meter_spi_text(row->event.type, &nulls[2]);
	values[3] = meter_spi_text(row->event.source, &nulls[3]);
	values[4] = meter_spi_text(row->event.id, &nulls[4]);
	values[5] = meter_spi_text(row->event.subject, &nulls[5]);
	values[6] = DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(row->dimensions.data,
																	 row->dimensions.len)));
	values[7] = meter_spi_text(row->currency, &nulls[7]);
	values[8] = Int32GetDatum(row->version);
	nulls[9] = row->value == NULL;
	values[9] = NumericGetDatum(row->value);
	values[10] = meter_spi_text(row->unique_key, &nulls[10]);
	values[11] = meter_spi_text(row->event.data, &nulls[11]);
	values[12] = TimestampTzGetDatum(row->event.original_time);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(meter_explain_usage);

/* meter.explain_usage(organization_id, meter, period_from, period_to, ...) */
Datum
meter_explain_usage(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MeterExplainRequest request = {0};
	MeterText	subject;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	meter_cache_refresh(false);
	meter_store_require();
	read_request(fcinfo, &request, &subject);
	meter_explain(&request, emit_row, rsinfo);
	SPI_finish();
	return (Datum) 0;
}
