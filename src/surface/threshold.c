/*
 * threshold.c
 *		SQL: thresholds.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "definitions/tenant.h"
#include "engine/spi.h"
#include "engine/threshold.h"

PG_FUNCTION_INFO_V1(meter_evaluate_threshold);

/* meter.evaluate_threshold(organization_id, threshold_no) */
Datum
meter_evaluate_threshold(PG_FUNCTION_ARGS)
{
	pg_uuid_t	organization = *meter_tenant_argument(fcinfo);

	SPI_connect();
	meter_threshold_evaluate(&organization, PG_GETARG_INT32(1));
	SPI_finish();
	PG_RETURN_VOID();
}
