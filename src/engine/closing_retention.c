/*
 * closing_retention.c
 *		What closing has to do with events that are past retention.
 *
 * Raw events may go when no window they are in is open, and no revision waits.
 * Later ones that come for that time still make revisions of windows that are
 * made of whole quarters of hours; shorter ones stay as they were closed, since
 * they cannot be computed any more.
 */
#include "engine/closing_private.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/rollup_page.h"
#include "engine/spi.h"

/* What is asked of a lane whose windows depend on subjects. */
typedef struct LastWindow
{
	const MeterLane *lane;
	TimestampTz last;
	TimestampTz horizon;
	bool		closed;
} LastWindow;

/* Is the subject's window that holds the last moment finalized? */
static void
look_at_subject(void *arg, const MeterClosingSubject *who)
{
	LastWindow *look = arg;
	MeterPiece	piece;

	if (look->closed &&
		meter_lane_piece(look->lane, who->every ? (MeterText) {NULL, 0} : who->subject, look->last, &piece))
		look->closed = piece.due <= look->horizon;
}

/* Are all windows of the lane that meet [from, to) finalized? */
static bool
lane_closed(const MeterLane *lane, TimestampTz from, TimestampTz to, TimestampTz horizon)
{
	LastWindow	look = {lane, to - 1, horizon, true};
	MeterPiece	piece;

	for (TimestampTz t = from; t < to; t = piece.end)
	{
		CHECK_FOR_INTERRUPTS();
		if (!meter_lane_piece(lane, (MeterText) {NULL, 0}, t, &piece))
			piece.end = meter_lane_next(lane, t);
		else if (piece.due > horizon)
			return false;
	}
	meter_billing_each(lane, look_at_subject, &look);
	return look.closed;
}

/* Does a revision wait for something in [from, to)? */
static bool
revision_waits(const pg_uuid_t *organization, const MeterEntry *meter, TimestampTz from, TimestampTz to)
{
	static MeterStatement statement = {
		"SELECT FROM meter.revision_queue AS q WHERE q.organization_id = $1 AND q.meter_id = $2"
		" AND q.time_from < $4 AND q.time_to > $3 LIMIT 1",
		4, {UUIDOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[4];
	bool		waits;

	values[0] = UUIDPGetDatum(organization);
	values[1] = UUIDPGetDatum(&meter->id);
	values[2] = TimestampTzGetDatum(from);
	values[3] = TimestampTzGetDatum(to);
	meter_spi_execute(&statement, values, NULL, true);
	waits = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return waits;
}

/* Is nothing left to be closed?  See closing.h. */
bool
meter_windows_closed(const pg_uuid_t *organization, const MeterEntry *meter,
					 TimestampTz from, TimestampTz to)
{
	MeterLane  *lanes;
	int			nlanes = meter_lanes_list(organization, meter, &lanes);
	MeterSeriesExtent extent;
	MeterDays	days;
	TimestampTz horizon;
	bool		closed = true;

	PushActiveSnapshot(GetLatestSnapshot());
	meter_series_extent(organization, meter, &extent);
	meter_usage_days(organization, &extent, meter_rollup_day((int32) meter_hour_of(from)),
					 meter_rollup_day((int32) meter_hour_of(to - 1)), 1, &days);
	horizon = meter_horizon_read(organization, &meter->id);
	if (days.n > 0)
		closed = !revision_waits(organization, meter, from, to);
	for (int l = 0; l < nlanes && days.n > 0 && closed; l++)
		closed = lane_closed(&lanes[l], from, to, horizon);
	PopActiveSnapshot();
	return closed;
}

/* Is the quarter of an hour that the bound cuts gone? */
static bool
cut_is_gone(TimestampTz bound, const MeterInterval *gone, int n)
{
	if (bound % METER_QUARTER == 0)
		return false;
	for (int i = 0; i < n; i++)
	{
		if (bound >= gone[i].from && bound < gone[i].to)
			return true;
	}
	return false;
}

/* Leave out what cannot be computed any more; see closing_private.h. */
void
meter_pieces_keep_known(MeterPieces *pieces)
{
	bool		cut = false;
	MeterInterval *gone;
	int			ngone;
	int			n = 0;

	for (int i = 0; i < pieces->n && !cut; i++)
		cut = pieces->list[i].start % METER_QUARTER != 0 || pieces->list[i].end % METER_QUARTER != 0;
	if (!cut)
		return;
	ngone = meter_event_dropped((MeterInterval) {pieces->list[0].start, pieces->list[pieces->n - 1].end}, &gone);
	if (ngone == 0)
		return;
	for (int i = 0; i < pieces->n; i++)
	{
		if (!cut_is_gone(pieces->list[i].start, gone, ngone) && !cut_is_gone(pieces->list[i].end, gone, ngone))
			pieces->list[n++] = pieces->list[i];
	}
	pieces->n = n;
}
