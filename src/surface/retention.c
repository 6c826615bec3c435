/*
 * retention.c
 *		SQL: what must be done before raw events may go.
 */
#include "engine/closing.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "definitions/tenant.h"
#include "engine/reprocess.h"
#include "engine/spi.h"
#include "engine/store.h"

PG_FUNCTION_INFO_V1(meter_windows_closed_sql);
PG_FUNCTION_INFO_V1(meter_fold_hour);

/* meter.windows_closed(organization_id, meter, period_from, period_to) */
Datum
meter_windows_closed_sql(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *organization = meter_tenant_argument(fcinfo);
	text	   *name = PG_GETARG_TEXT_PP(1);
	const MeterEntry *meter;
	bool		closed;

	SPI_connect();
	meter_store_require();
	meter_cache_refresh(false);
	meter = meter_cache_meter(organization, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	closed = meter == NULL ||
		meter_windows_closed(organization, meter, PG_GETARG_TIMESTAMPTZ(2), PG_GETARG_TIMESTAMPTZ(3));
	SPI_finish();
	PG_RETURN_BOOL(closed);
}

/* meter.fold_hour(organization_id, meter, at) */
Datum
meter_fold_hour(PG_FUNCTION_ARGS)
{
	int32		hour = (int32) meter_hour_of(PG_GETARG_TIMESTAMPTZ(2));
	MeterReprocess fold = {
		.organization = *meter_tenant_argument(fcinfo), .meter = text_to_cstring(PG_GETARG_TEXT_PP(1)),
		.mode = METER_REPROCESS_FOLD, .from = hour, .to = hour + 1
	};
	int64		events = 0;

	SPI_connect();
	(void) meter_reprocess_hours(&fold, &events);
	SPI_finish();
	PG_RETURN_VOID();
}
