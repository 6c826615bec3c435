/*
 * usage_known.c
 *		A meter with its versions in other ranges: as they were known at some time
 *		of the past, or as if one of them had always been in force.
 *
 * What a version measures never changes; in which range of time it was in force
 * did.  Whatever the ranges are now, events of the past name the versions that
 * counted them, so every version stays readable, those without a range too.
 */
#include "engine/usage.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

static int
plan_cmp(const void *pa, const void *pb)
{
	const MeterPlan *a = *(MeterPlan *const *) pa;
	const MeterPlan *b = *(MeterPlan *const *) pb;

	if (a->effective_from != b->effective_from)
		return a->effective_from < b->effective_from ? -1 : 1;
	if (a->effective_to != b->effective_to)
		return a->effective_to < b->effective_to ? -1 : 1;
	return a->version - b->version;
}

/* The meter's versions, none of them with a range. */
static MeterEntry *
copy_meter(const MeterEntry *meter)
{
	MeterEntry *copy = memcpy(palloc(sizeof(MeterEntry)), meter, sizeof(MeterEntry));
	MeterPlan  *plans = palloc(meter->nversions * sizeof(MeterPlan));

	copy->versions = palloc(meter->nversions * sizeof(MeterPlan *));
	for (int i = 0; i < meter->nversions; i++)
	{
		plans[i] = *meter->versions[i];
		plans[i].effective_from = plans[i].effective_to = DT_NOBEGIN;
		copy->versions[i] = &plans[i];
	}
	return copy;
}

/* A meter as if one version had always been in force; see usage.h. */
const MeterEntry *
meter_usage_meter_pinned(const MeterEntry *meter, const MeterPlan *plan)
{
	MeterEntry *pinned = copy_meter(meter);

	for (int i = 0; i < meter->nversions; i++)
	{
		if (meter->versions[i] == plan)
			pinned->versions[i]->effective_to = DT_NOEND;
	}
	return pinned;
}

/* A meter as it was known; see usage.h. */
const MeterEntry *
meter_usage_meter_known(const pg_uuid_t *organization, const MeterEntry *meter, TimestampTz as_of)
{
	static MeterStatement statement = {
		"SELECT r.version_id, r.effective_from, r.effective_to FROM meter.version_range AS r,"
		" (SELECT greatest($3, min(f.known_from)) AS at FROM meter.version_range AS f"
		" WHERE f.organization_id = $1 AND f.version_id = ANY ($2)) AS t"
		" WHERE r.organization_id = $1 AND r.version_id = ANY ($2)"
		" AND r.known_from <= t.at AND (r.known_to IS NULL OR r.known_to > t.at)",
		3, {UUIDOID, INT4ARRAYOID, TIMESTAMPTZOID}
	};
	MeterEntry *known = copy_meter(meter);
	Datum	   *ids = palloc(meter->nversions * sizeof(Datum));
	Datum		values[3];

	for (int i = 0; i < meter->nversions; i++)
		ids[i] = Int32GetDatum(meter->versions[i]->version_id);
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_array(ids, NULL, meter->nversions, INT4OID);
	values[2] = TimestampTzGetDatum(as_of);
	meter_spi_execute(&statement, values, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		int32		version_id = DatumGetInt32(meter_spi_value(row, 1, &isnull));

		for (int i = 0; i < known->nversions; i++)
		{
			if (known->versions[i]->version_id != version_id)
				continue;
			known->versions[i]->effective_from = DatumGetTimestampTz(meter_spi_value(row, 2, &isnull));
			known->versions[i]->effective_to = DatumGetTimestampTz(meter_spi_value(row, 3, &isnull));
		}
	}
	SPI_freetuptable(SPI_tuptable);
	qsort(known->versions, known->nversions, sizeof(MeterPlan *), plan_cmp);
	return known;
}

/* The time whose events a version judged as they came; see usage.h. */
MeterInterval
meter_usage_version_judged(const pg_uuid_t *organization, const MeterPlan *plan)
{
	static MeterStatement statement = {
		"SELECT greatest(max(r.effective_from), min(r.known_from)), min(r.effective_to)"
		" FROM meter.version_range AS r WHERE r.organization_id = $1 AND r.version_id = $2",
		2, {UUIDOID, INT4OID}
	};
	MeterInterval judged = {plan->effective_from, plan->effective_to};
	Datum		values[2];
	bool		isnull;
	Datum		from;

	values[0] = UUIDPGetDatum(organization);
	values[1] = Int32GetDatum(plan->version_id);
	meter_spi_execute(&statement, values, NULL, true);
	from = meter_spi_value(0, 1, &isnull);
	if (!isnull)
	{
		judged.from = Max(judged.from, DatumGetTimestampTz(from));
		judged.to = Min(judged.to, DatumGetTimestampTz(meter_spi_value(0, 2, &isnull)));
	}
	SPI_freetuptable(SPI_tuptable);
	return judged;
}
