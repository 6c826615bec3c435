/*
 * correct_count.c
 *		What a row of an event is to the rollups.
 *
 * The row is measured again by each version that it names, as it was measured
 * when it came, and so gives the same series, cells and samples.  With weight
 * -1 they take it out of the rollups again, but for functions that cannot go
 * back: there the cell stays as it is.  What the version's own profile counts is
 * a change for the meter's thresholds.
 */
#include "engine/correct.h"

#include "lib/stringinfo.h"

#include "engine/cells.h"
#include "engine/event_page.h"

/* The version of that id and its meter, or NULL. */
static const MeterPlan *
find_version(const MeterCounting *counting, int32 version_id, const MeterEntry **meter)
{
	const MeterListeners *listeners = counting->listeners;

	for (int i = 0; i < listeners->nmeters; i++)
	{
		*meter = listeners->meters[i];
		for (int v = 0; v < (*meter)->nversions; v++)
		{
			if ((*meter)->versions[v]->version_id == version_id)
				return (*meter)->versions[v];
		}
	}
	return NULL;
}

/* Append the cell of one profile. */
static void
append_cell(StringInfo cells, const MeterPlan *plan, const MeterMeasure *measure,
			const MeterEventRow *row, int weight)
{
	const MeterProfile *profile = &plan->profiles[measure->profile];
	MeterState *state = meter_profile_state(profile, CurrentMemoryContext);
	MeterSample sample = meter_measure_sample(profile, measure, row->time, row->seq);
	TimestampTz hour = meter_hour_of(row->time) * METER_HOUR;

	sample.weight = weight;
	meter_state_add(state, &sample);
	meter_cell_append(cells, plan->version_id, measure->profile, (row->time - hour) / METER_QUARTER, state);
}

/* The event was counted by the version once: it must be measurable. */
static void
unmeasurable(const MeterPlan *plan, const MeterEventRow *row, const MeterError *err)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("event %lld was counted by version %d of meter \"%s\" but cannot be measured by it: %s",
					(long long) row->seq, plan->version, plan->key, err->message)));
}

/* The cells of one version, and what its own profile counts, or NULL; *kept
 * where one of them cannot be taken back. */
static MeterText
count_version(const MeterPlan *plan, const MeterEventRow *row, const MeterInput *input, int weight,
			  bool *kept, const MeterMeasure **own)
{
	StringInfoData cells;

	*own = NULL;
	initStringInfo(&cells);
	for (int p = 0; p < plan->nprofiles; p++)
	{
		MeterMeasure measure;
		MeterError	err;

		switch (meter_measure(plan, p, input, &measure, &err))
		{
			case METER_COUNTED:
				if (p == 0)
					*own = memcpy(palloc(sizeof(measure)), &measure, sizeof(measure));
				if (weight > 0 || meter_profile_reversible(&plan->profiles[p]))
					append_cell(&cells, plan, &measure, row, weight);
				else
					*kept = true;
				break;
			case METER_FILTERED:
				break;
			case METER_REJECTED:
				unmeasurable(plan, row, &err);
		}
	}
	return (MeterText) {cells.data, cells.len};
}

/* Note a change for the meter's thresholds. */
static void
add_change(MeterCounting *counting, const MeterEntry *meter, const MeterPlan *plan, const MeterEventRow *row,
		   const MeterMeasure *measure, const MeterSeries *series, int weight)
{
	if (measure == NULL || meter->nwatches == 0)
		return;
	counting->changes = meter_batch_grow(counting->changes, counting->nchanges, &counting->changes_size,
										 sizeof(MeterChange), 8);
	counting->changes[counting->nchanges++] = (MeterChange) {
		.meter = meter, .plan = plan, .measure = measure,
			.series = memcpy(palloc(sizeof(MeterSeries)), series, sizeof(MeterSeries)),
			.time = row->time, .seq = row->seq, .weight = weight
	};
}

/* Gather what a version makes of the row. */
static void
add_version(MeterCounting *counting, const MeterEntry *meter, const MeterPlan *plan,
			const MeterEventRow *row, const MeterJson *doc, int weight, bool *kept)
{
	MeterInput	input = meter_measure_input(doc, row->data.data ? 0 : -1, row->original_time, row->subject);
	MeterJson  *derived = palloc0(sizeof(MeterJson));
	MeterSeries series = {0};
	const MeterMeasure *own;
	MeterText	cells;
	MeterError	err;

	if (!meter_measure_derive(plan, &input, derived, &err) ||
		!meter_measure_series(plan, &input, &series, &err))
		unmeasurable(plan, row, &err);
	cells = count_version(plan, row, &input, weight, kept, &own);
	add_change(counting, meter, plan, row, own, &series, weight);
	if (cells.len > 0)
	{
		counting->series = meter_batch_grow(counting->series, counting->nseries, &counting->series_size,
										   sizeof(MeterSeries), 8);
		counting->deltas = meter_batch_grow(counting->deltas, counting->nseries, &counting->deltas_size,
										   sizeof(MeterRollupDelta), 8);
		counting->deltas[counting->nseries] = (MeterRollupDelta) {
			.hour = (int32) meter_hour_of(row->time), .cells = cells
		};
		counting->series[counting->nseries++] = series;
	}
	counting->touches = meter_batch_grow(counting->touches, counting->ntouches, &counting->touches_size,
										sizeof(MeterClosingTouch), 8);
	counting->touches[counting->ntouches++] = (MeterClosingTouch) {
		.meter = meter, .time = row->time, .subject = series.subject
	};
}

/* Count a row or take it back; see correct.h. */
void
meter_counting_row(MeterCounting *counting, const MeterEventRow *row, int weight, MeterReversal *reversal)
{
	MeterText	versions = row->versions;
	MeterJson  *doc = palloc0(sizeof(MeterJson));
	int32		version_id;
	MeterError	err;

	if (row->data.data && !meter_json_parse(doc, row->data.data, row->data.len, &err))
		meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "stored event");
	while (meter_event_next_version(&versions, &version_id))
	{
		const MeterEntry *meter;
		const MeterPlan *plan = find_version(counting, version_id, &meter);
		bool		kept = false;

		/* a meter that was deleted has no usage */
		if (plan == NULL)
			continue;
		add_version(counting, meter, plan, row, doc, weight, &kept);
		if (!kept)
			continue;
		reversal->recount = reversal->nrecount == 0 ? palloc(sizeof(Datum)) :
			repalloc(reversal->recount, (reversal->nrecount + 1) * sizeof(Datum));
		reversal->recount[reversal->nrecount++] = Int32GetDatum(version_id);
	}
}

/* Merge what was gathered; see correct.h. */
void
meter_counting_merge(MeterCounting *counting)
{
	meter_series_resolve(counting->organization, counting->series, counting->nseries);
	for (int i = 0; i < counting->nseries; i++)
		counting->deltas[i].series_id = counting->series[i].series_id;
	meter_rollup_merge(counting->organization, counting->deltas, counting->nseries);
}
