/*
 * usage_pinned.c
 *		Usage by one version's definition, whichever versions counted it.
 *
 * Who is billed by a version that is not in force any more, or not yet, wants to
 * know what it makes of all that came.  Where the version was in force when the
 * events came, that is in the rollups, as in any other question; but for quarters
 * of an hour in which another version counted something, such as a late event
 * that was moved.  Those, and all other time, are read from raw events, which the
 * version measures as if it had been there.
 *
 * An event has its place where the meter counted it, by whichever version.  One
 * that the meter did not count, since the versions in force left it out or refused
 * it for what it says, is taken where it stands.  What came too late or too early
 * for the meter, or is in quarantine, was refused for when it came: no version
 * counts it.
 */
#include "engine/usage_pinned.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "engine/batch.h"
#include "engine/cells.h"
#include "engine/supplements.h"

/* ---- what is in the rollups ---- */

typedef struct Quarters
{
	const MeterUsage *usage;
	TimestampTz *list;
	int			n;
	int			size;
} Quarters;

static void
add_quarter(Quarters *quarters, TimestampTz quarter)
{
	if (quarters->n > 0 && quarters->list[quarters->n - 1] == quarter)
		return;
	quarters->list = meter_batch_grow(quarters->list, quarters->n, &quarters->size, sizeof(TimestampTz), 64);
	quarters->list[quarters->n++] = quarter;
}

/* Is it the version that is asked for? */
static bool
is_pinned(const MeterUsageRequest *request, int version)
{
	return request->meter->versions[version]->version_id == request->measured_by->version_id;
}

/* Note the quarters in which other versions counted something. */
static void
visit_foreign(void *arg, int64 series_id, int32 hour, MeterText cells)
{
	Quarters   *quarters = arg;
	const MeterUsage *usage = quarters->usage;
	MeterCell	cell;

	while (meter_cell_next(&cells, &cell))
	{
		int			version = meter_usage_version(usage->request, cell.version_id);
		TimestampTz at = hour * METER_HOUR + cell.quarter * METER_QUARTER;

		if (version >= 0 && !is_pinned(usage->request, version) && meter_tiling_quarter(&usage->tiling, at) >= 0)
			add_quarter(quarters, at);
	}
}

/* The series that what others counted may be in. */
static int
list_series(const MeterUsage *usage, int64 **series)
{
	const MeterUsageRequest *request = usage->request;
	const MeterEntry *meter = request->meter;
	bool		all = usage->subjects.all;
	int			size = 0;
	int			n = 0;

	*series = NULL;
	/* versions may not agree whose usage an event is */
	for (int i = 0; i < meter->nversions; i++)
		all |= meter->versions[i]->subject_path != NULL;
	for (int i = 0; i < meter->nversions; i++)
	{
		bool		again = false;

		for (int j = 0; j < i; j++)
			again |= meter->versions[j]->stream_id == meter->versions[i]->stream_id;
		for (int s = 0; s < (all ? 1 : usage->subjects.n) && !again; s++)
		{
			MeterSeries *list;
			int			found = meter_series_list(&request->organization, meter->versions[i]->stream_id,
												  all ? NULL : &usage->subjects.list[s], &list);

			for (int k = 0; k < found; k++)
			{
				*series = meter_batch_grow(*series, n, &size, sizeof(int64), 64);
				(*series)[n++] = list[k].series_id;
			}
			pfree(list);
		}
	}
	return n;
}

static int
quarter_cmp(const void *pa, const void *pb)
{
	TimestampTz a = *(const TimestampTz *) pa;
	TimestampTz b = *(const TimestampTz *) pb;

	return a < b ? -1 : a > b;
}

/* Read from rollups only what the version alone counted; see usage_private.h. */
void
meter_usage_keep_pinned(MeterUsage *usage)
{
	const MeterUsageRequest *request = usage->request;
	MeterTiling *tiling = &usage->tiling;
	Quarters	quarters = {.usage = usage};
	MeterInterval judged;
	int64	   *series;
	int			n;

	if (tiling->nwindows == 0)
		return;
	judged = meter_usage_version_judged(&request->organization, request->measured_by);
	meter_tiling_keep(tiling, judged.from, judged.to);
	if (request->meter->nversions == 1 || tiling->kept_from >= tiling->bounds[tiling->nwindows] ||
		tiling->kept_to <= tiling->bounds[0])
		return;
	n = list_series(usage, &series);
	meter_rollup_scan(&request->organization, series, n,
					  usage->history == METER_HISTORY_ALL ? PG_INT32_MIN : tiling->hour_from,
					  tiling->hour_to, visit_foreign, &quarters);
	if (quarters.n == 0)
		return;
	for (int i = 0; i < tiling->nrecounts; i++)
		add_quarter(&quarters, tiling->recounts[i]);
	qsort(quarters.list, quarters.n, sizeof(TimestampTz), quarter_cmp);
	n = 1;
	for (int i = 1; i < quarters.n; i++)
	{
		if (quarters.list[i] != quarters.list[n - 1])
			quarters.list[n++] = quarters.list[i];
	}
	meter_tiling_recount(tiling, quarters.list, n);
}

/* ---- what is in the events ---- */

typedef struct Pinned
{
	const MeterUsage *usage;
	int			version;		/* its number in the meter */
	const MeterPlan *plan;
	int			profile;		/* that is asked for */
	MeterText	type;
	int			nversions;		/* the meter's */
	int32	   *versions;
	int64	   *uncounted;		/* events that no version counted there */
	int			nuncounted;
	int			uncounted_size;
	MeterPinnedKey *keys;		/* of all that the version would count */
	int			nkeys;
	int			keys_size;
	int64	   *refused;		/* of them, those that do not count; sorted */
	int			nrefused;
	int64	   *duplicates;		/* of all events, sorted */
	int			nduplicates;
	MeterCountedVisit visit;
	void	   *arg;
} Pinned;

/* Would one version count the event?  See usage_pinned.h. */
bool
meter_pinned_counts(const MeterPlan *plan, const MeterEventRow *row, MeterPinnedEvent *event)
{
	MeterMeasure measure;
	MeterSeries series;
	MeterError	err;
	bool		counted = false;

	/* without either it could not be told from its retry */
	if (row->id.data == NULL && plan->dedup_path == NULL)
		return false;
	if (row->data.data && !meter_json_parse(&event->doc, row->data.data, row->data.len, &err))
		meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "stored event");
	event->input = meter_measure_input(&event->doc, row->data.data ? 0 : -1, row->original_time, row->subject);
	if (!meter_measure_check(plan, &event->input, &err) ||
		!meter_measure_derive(plan, &event->input, &event->derived, &err))
		return false;
	for (int profile = 0; profile < plan->nprofiles; profile++)
	{
		MeterVerdict verdict = meter_measure(plan, profile, &event->input, &measure, &err);

		if (verdict == METER_REJECTED)
			return false;
		counted |= verdict == METER_COUNTED;
	}
	return counted &&
		(plan->dedup_path == NULL || meter_measure_dedup_key(plan, &event->input, &event->key, &err)) &&
		meter_measure_series(plan, &event->input, &series, &err);
}

/* May the event have its place here?  Sets *counted where the meter says so. */
static bool
has_place(const Pinned *pinned, const MeterEventRow *row, bool *counted)
{
	*counted = meter_event_counted_by(row->versions, pinned->versions, pinned->nversions) != 0;
	if (row->meter_id && memcmp(row->meter_id, &pinned->usage->request->meter->id, UUID_LEN) != 0)
		return false;
	return *counted || !row->supplement;
}

/* Was it judged by the version as it came?  See usage_pinned.h. */
bool
meter_pinned_judged(const MeterUsage *usage, const MeterEventRow *row)
{
	return row->time >= usage->tiling.kept_from && row->time < usage->tiling.kept_to &&
		meter_event_counted_by(row->versions, &usage->request->measured_by->version_id, 1) != 0;
}

/* Note an event that has to be looked at, with the others, before it counts. */
static void
look_at(void *arg, const MeterEventRow *row)
{
	Pinned	   *pinned = arg;
	const MeterPlan *plan = pinned->plan;
	MeterPinnedEvent event = {{0}};
	MemoryContext old;
	bool		counted;

	if (!has_place(pinned, row, &counted))
		return;
	/* a key counts once, whosesoever usage it is */
	if (plan->dedup_path == NULL &&
		(counted || (plan->subject_path == NULL && !meter_subjects_have(&pinned->usage->subjects, row->subject))))
		return;
	if (plan->dedup_path && !meter_pinned_counts(plan, row, &event))
		return;
	old = MemoryContextSwitchTo(pinned->usage->context);
	if (!counted)
	{
		pinned->uncounted = meter_batch_grow(pinned->uncounted, pinned->nuncounted, &pinned->uncounted_size,
											 sizeof(int64), 256);
		pinned->uncounted[pinned->nuncounted++] = row->seq;
	}
	if (plan->dedup_path)
	{
		pinned->keys = meter_batch_grow(pinned->keys, pinned->nkeys, &pinned->keys_size, sizeof(MeterPinnedKey), 256);
		pinned->keys[pinned->nkeys++] = (MeterPinnedKey) {
			{pnstrdup(event.key.data, event.key.len), event.key.len}, row->seq,
			counted, meter_pinned_judged(pinned->usage, row)
		};
	}
	MemoryContextSwitchTo(old);
}

static int
seq_cmp(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* Of the events that the meter did not count: those that have their place
 * elsewhere, and those that it refused for when they came. */
static void
refuse_uncounted(Pinned *pinned)
{
	const MeterUsageRequest *request = pinned->usage->request;
	MeterKnownRejection *rejections;
	int64	   *elsewhere;
	int			n;
	int			nrejections;

	if (pinned->nuncounted == 0)
		return;
	n = meter_event_counted_elsewhere(&request->organization, pinned->type, pinned->versions, pinned->nversions,
									  pinned->uncounted, pinned->nuncounted, &elsewhere);
	nrejections = meter_known_rejection_find(&request->organization, pinned->uncounted, pinned->nuncounted, &rejections);
	pinned->refused = palloc_extended((n + nrejections + 1) * sizeof(int64), MCXT_ALLOC_HUGE);
	if (n > 0)
		memcpy(pinned->refused, elsewhere, n * sizeof(int64));
	for (int i = 0; i < nrejections; i++)
	{
		if (rejections[i].open && rejections[i].untimely &&
			memcmp(&rejections[i].meter_id, &request->meter->id, UUID_LEN) == 0)
			pinned->refused[n++] = rejections[i].seq;
	}
	pinned->nrefused = n;
	qsort(pinned->refused, n, sizeof(int64), seq_cmp);
}

/* By keys, of what is left: those that others have. */
static void
refuse_duplicates(Pinned *pinned)
{
	int			n = 0;

	for (int i = 0; i < pinned->nkeys; i++)
	{
		if (pinned->keys[i].counted || !meter_seq_listed(pinned->refused, pinned->nrefused, pinned->keys[i].seq))
			pinned->keys[n++] = pinned->keys[i];
	}
	if (n == 0)
		return;
	pinned->duplicates = palloc_extended(n * sizeof(int64), MCXT_ALLOC_HUGE);
	pinned->nduplicates = meter_pinned_duplicates(pinned->usage, pinned->type, pinned->keys, n, pinned->duplicates);
	qsort(pinned->duplicates, pinned->nduplicates, sizeof(int64), seq_cmp);
}

/* Visit an event as the version measures it. */
static void
measure_row(void *arg, const MeterEventRow *row)
{
	Pinned	   *pinned = arg;
	const MeterSubjects *subjects = &pinned->usage->subjects;
	const MeterPlan *plan = pinned->plan;
	MeterPinnedEvent event = {{0}};
	MeterMeasure measure;
	MeterSeries series;
	MeterError	err;
	bool		counted;

	if (!has_place(pinned, row, &counted) ||
		(plan->subject_path == NULL && !meter_subjects_have(subjects, row->subject)) ||
		(!counted && meter_seq_listed(pinned->refused, pinned->nrefused, row->seq)) ||
		meter_seq_listed(pinned->duplicates, pinned->nduplicates, row->seq) ||
		!meter_pinned_counts(plan, row, &event))
		return;
	if (meter_measure(plan, pinned->profile, &event.input, &measure, &err) == METER_COUNTED &&
		meter_measure_series(plan, &event.input, &series, &err) &&
		(plan->subject_path == NULL || meter_subjects_have(subjects, series.subject)))
		pinned->visit(pinned->arg, row, pinned->version, &measure, &series);
}

static void
scan_cuts(Pinned *pinned, MeterEventVisit visit)
{
	const MeterTiling *tiling = &pinned->usage->tiling;

	for (int i = 0; i < tiling->ncuts; i++)
		meter_event_scan_known(&pinned->usage->request->organization, pinned->type, tiling->cuts[i],
							   DT_NOEND, NULL, visit, pinned);
}

/* Visit what is not in the rollups; see usage_private.h. */
void
meter_usage_visit_pinned(const MeterUsage *usage, MeterCountedVisit visit, void *arg)
{
	const MeterUsageRequest *request = usage->request;
	const MeterEntry *meter = request->meter;
	Pinned		pinned = {
		.usage = usage, .version = meter_usage_version(request, request->measured_by->version_id),
			.plan = request->measured_by, .profile = meter_plan_profile(request->measured_by, request->profile),
			.type = {meter->metric_key, strlen(meter->metric_key)},
			.nversions = meter->nversions, .versions = palloc(meter->nversions * sizeof(int32)),
			.visit = visit, .arg = arg
	};

	if (pinned.profile < 0 || usage->tiling.ncuts == 0)
		return;
	for (int i = 0; i < meter->nversions; i++)
		pinned.versions[i] = meter->versions[i]->version_id;
	scan_cuts(&pinned, look_at);
	refuse_uncounted(&pinned);
	refuse_duplicates(&pinned);
	scan_cuts(&pinned, measure_row);
}
