/*
 * closing.c
 *		SQL: meter.close_windows().
 */
#include "engine/closing.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "definitions/tenant.h"
#include "engine/spi.h"
#include "engine/store.h"

PG_FUNCTION_INFO_V1(meter_close_windows_sql);

/* meter.close_windows(organization_id, max_windows) */
Datum
meter_close_windows_sql(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *organization = PG_ARGISNULL(0) ? NULL : meter_tenant_argument(fcinfo);
	int64		written;

	if (PG_ARGISNULL(1) || PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_windows: expected a positive number")));
	SPI_connect();
	meter_store_require();
	meter_cache_refresh(false);
	if (organization && meter_cache_organization(organization) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("organization %s does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(organization))))));
	written = meter_close_windows(organization, PG_GETARG_INT32(1));
	SPI_finish();
	PG_RETURN_INT64(written);
}
