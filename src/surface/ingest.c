/*
 * ingest.c
 *		SQL: meter.ingest(organization_id, events).
 */
#include "engine/ingest.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "definitions/tenant.h"
#include "engine/spi.h"

/* Write an event's row of the result. */
static void
emit_row(void *arg, const MeterEvent *event)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[5];
	bool		nulls[5] = {false};
	const MeterError *err = event->error;

	values[0] = Int32GetDatum(event->ordinal);
	values[1] = meter_spi_text(event->id, &nulls[1]);
	values[2] = CStringGetTextDatum(meter_status_name(event->status));
	nulls[3] = nulls[4] = err == NULL;
	if (err)
	{
		values[3] = CStringGetTextDatum(err->code);
		values[4] = CStringGetTextDatum(err->message);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Add each element of an array, or the one value there is. */
static void
add_events(MeterIngest *ingest, const char *text, size_t len)
{
	size_t		pos = 0;

	while (pos < len && strchr(" \t\r\n", text[pos]) != NULL)
		pos++;
	if (pos >= len || text[pos] != '[')
	{
		(void) meter_ingest_add(ingest, (MeterText) {text + pos, (int) (len - pos)});
		return;
	}
	for (pos++;;)
	{
		while (pos < len && strchr(" \t\r\n,", text[pos]) != NULL)
			pos++;
		if (pos >= len || text[pos] == ']')
			return;
		pos += meter_ingest_add(ingest, (MeterText) {text + pos, (int) (len - pos)});
	}
}

PG_FUNCTION_INFO_V1(meter_ingest);

/* meter.ingest(organization_id, events) */
Datum
meter_ingest(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const pg_uuid_t *organization = meter_tenant_argument(fcinfo);
	text	   *events;
	MeterIngest *ingest;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("events must not be null")));
	events = PG_GETARG_TEXT_PP(1);

	SPI_connect();
	ingest = meter_ingest_begin(organization, emit_row, rsinfo);
	add_events(ingest, VARDATA_ANY(events), VARSIZE_ANY_EXHDR(events));
	meter_ingest_finish(ingest);
	SPI_finish();
	return (Datum) 0;
}
