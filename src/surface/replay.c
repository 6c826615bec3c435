/*
 * replay.c
 *		SQL: meter.replay_rejected and meter.release_quarantine.
 */
#include "engine/replay.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "definitions/tenant.h"
#include "engine/spi.h"

/* Write a rejection's row of the result. */
static void
emit_row(void *arg, int64 id, const char *status, const MeterError *err)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[4];
	bool		nulls[4] = {false};

	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(status);
	nulls[2] = nulls[3] = err == NULL;
	if (err)
	{
		values[2] = CStringGetTextDatum(err->code);
		values[3] = CStringGetTextDatum(err->message);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static int
id_cmp(const void *pa, const void *pb)
{
	int64		a = *(const int64 *) pa;
	int64		b = *(const int64 *) pb;

	return a < b ? -1 : a > b;
}

/* The numbers that are named, in order, each once. */
static void
read_ids(MeterReplayRequest *request, ArrayType *array)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls, &n);
	request->named = true;
	request->ids = palloc(Max(n, 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("ids must not contain nulls")));
		request->ids[i] = DatumGetInt64(values[i]);
	}
	qsort(request->ids, n, sizeof(int64), id_cmp);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || request->ids[i] != request->ids[request->nids - 1])
			request->ids[request->nids++] = request->ids[i];
	}
}

/* Both functions: (organization_id, ids, meter). */
static void
replay(FunctionCallInfo fcinfo, bool release)
{
	MeterReplayRequest request = {.organization = *meter_tenant_argument(fcinfo), .release = release};

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(1))
		read_ids(&request, PG_GETARG_ARRAYTYPE_P(1));
	if (!PG_ARGISNULL(2))
		request.meter = text_to_cstring(PG_GETARG_TEXT_PP(2));
	SPI_connect();
	meter_replay(&request, emit_row, fcinfo->resultinfo);
	SPI_finish();
}

PG_FUNCTION_INFO_V1(meter_replay_rejected);

/* meter.replay_rejected(organization_id, ids, meter) */
Datum
meter_replay_rejected(PG_FUNCTION_ARGS)
{
	replay(fcinfo, false);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(meter_release_quarantine);

/* meter.release_quarantine(organization_id, ids, meter) */
Datum
meter_release_quarantine(PG_FUNCTION_ARGS)
{
	replay(fcinfo, true);
	return (Datum) 0;
}
