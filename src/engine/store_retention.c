/*
 * store_retention.c
 *		Raw events that are past retention and gone.
 *
 * Rollups stay for ever, and answer whole quarters of hours as before.  Whoever
 * wants raw events asks here first whether they are there: a part of them would
 * be a wrong answer.  The snapshot for this is a new one, taken when the table is
 * locked already: a caller's old snapshot cannot show that a partition is gone.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/spi.h"
#include "values/timestamp.h"

/* Read what is gone between two times, months that touch put together. */
int
meter_event_dropped(MeterInterval interval, MeterInterval **list)
{
	static MeterStatement statement = {
		"SELECT d.period_from, d.period_to FROM meter.dropped_period AS d ORDER BY d.period_from", 0, {}
	};
	int			n = 0;

	*list = NULL;
	PushActiveSnapshot(GetLatestSnapshot());
	meter_spi_execute(&statement, NULL, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		MeterInterval month = {
			DatumGetTimestampTz(meter_spi_value(row, 1, &isnull)),
			DatumGetTimestampTz(meter_spi_value(row, 2, &isnull))
		};

		if (n > 0 && (*list)[n - 1].to == month.from)
		{
			(*list)[n - 1].to = month.to;
			continue;
		}
		/* what ends before is not asked for */
		if (n > 0 && (*list)[n - 1].to <= interval.from)
			n--;
		if (month.from >= interval.to)
			break;
		if (*list == NULL)
			*list = palloc(SPI_processed * sizeof(MeterInterval));
		(*list)[n++] = month;
	}
	if (n > 0 && (*list)[n - 1].to <= interval.from)
		n--;
	SPI_freetuptable(SPI_tuptable);
	PopActiveSnapshot();
	return n;
}

/* Raise 55000 where raw events of the interval are gone; see store.h. */
void
meter_event_require_kept(MeterInterval interval)
{
	MeterInterval *gone;
	char		from[METER_TIMESTAMP_LEN];
	char		to[METER_TIMESTAMP_LEN];
	char		before[METER_TIMESTAMP_LEN];
	char		behind[METER_TIMESTAMP_LEN];

	if (meter_event_dropped(interval, &gone) == 0)
		return;
	meter_timestamp_format(gone[0].from, from);
	meter_timestamp_format(gone[0].to, to);
	meter_timestamp_format(meter_quarter_floor(Max(interval.from, gone[0].from)), before);
	meter_timestamp_format(meter_quarter_floor(Min(interval.to, gone[0].to) + METER_QUARTER - 1), behind);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the events from %s to %s are past retention", from, to),
			 errdetail("Their usage is known by quarters of an hour only: a range may begin or end at %s or at %s.",
					   before, behind),
			 errhint("What needs the events themselves can be asked for up to %s, and from %s on.", from, to)));
}
