/*
 * usage_events.c
 *		Raw events as a meter counted them.
 *
 * An event names the versions that counted it.  It is measured again by the
 * code that measured it when it came, so it is the same thing to usage as it
 * was to ingestion.
 */
#include "engine/usage.h"

#include "engine/event_page.h"

/* The meter's version of that id, or -1. */
int
meter_usage_version(const MeterUsageRequest *request, int32 version_id)
{
	const MeterEntry *meter = request->meter;

	for (int i = meter->nversions - 1; i >= 0; i--)
	{
		if (meter->versions[i]->version_id == version_id)
			return i;
	}
	return -1;
}

/* Whom to read: the subjects of whoever is asked for. */
void
meter_subjects_find(MeterSubjects *subjects, const MeterUsageRequest *request)
{
	MeterText  *list;

	memset(subjects, 0, sizeof(*subjects));
	if (request->own)
	{
		subjects->all = request->own->subjects == NULL;
		subjects->n = request->own->nsubjects;
		subjects->list = request->own->subjects;
		return;
	}
	subjects->all = request->subject == NULL;
	if (subjects->all)
		return;
	subjects->n = 1;
	subjects->list = request->subject;
	if (request->raw_subjects)
		return;
	subjects->n = meter_customer_subjects(&request->organization, request->subject,
										  meter_usage_as_of(request), &list);
	subjects->list = list;
}

/* Is this one of them?  They are sorted. */
bool
meter_subjects_have(const MeterSubjects *subjects, MeterText subject)
{
	int			low = 0;
	int			high = subjects->n;

	if (subjects->all)
		return true;
	if (subject.data == NULL)
		return false;
	while (low < high)
	{
		int			middle = (low + high) / 2;
		MeterText	other = subjects->list[middle];
		int			cmp = memcmp(subject.data, other.data, Min(subject.len, other.len));

		if (cmp == 0)
			cmp = subject.len - other.len;
		if (cmp == 0)
			return true;
		if (cmp < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* Measure the event by one version; false where its profile left it out. */
static bool
measure_again(const MeterPlan *plan, int profile, MeterInput *input, int64 seq,
			  MeterMeasure *measure, MeterSeries *series)
{
	MeterError	err;
	MeterJson	derived = {0};
	MeterVerdict verdict = meter_measure_derive(plan, input, &derived, &err) ?
		meter_measure(plan, profile, input, measure, &err) : METER_REJECTED;

	if (verdict == METER_FILTERED && plan->nprofiles > 1)
		return false;
	if (verdict == METER_FILTERED)
		meter_error_set(&err, "FILTERED", "its filter leaves it out");
	if (verdict != METER_COUNTED || !meter_measure_series(plan, input, series, &err))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("event %lld was counted by version %d of meter \"%s\" but cannot be measured by it: %s",
						(long long) seq, plan->version, plan->key, err.message)));
	return true;
}

/* Visit an event once for each version that counted it; see usage.h. */
void
meter_usage_visit_event(const MeterUsageRequest *request, const MeterSubjects *subjects,
						const MeterEventRow *row, MeterCountedVisit visit, void *arg)
{
	MeterText	versions = row->versions;
	int32		version_id;
	MeterJson	doc = {0};

	while (meter_event_next_version(&versions, &version_id))
	{
		int			version = meter_usage_version(request, version_id);
		const MeterPlan *plan;
		int			profile;
		MeterInput	input;
		MeterMeasure measure;
		MeterSeries series;
		MeterError	err;

		if (version < 0)
			continue;
		plan = request->meter->versions[version];
		profile = meter_plan_profile(plan, request->profile);
		if (profile < 0 || (plan->subject_path == NULL && !meter_subjects_have(subjects, row->subject)))
			continue;
		if (doc.nodes == NULL && row->data.data &&
			!meter_json_parse(&doc, row->data.data, row->data.len, &err))
			meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "stored event");
		input = meter_measure_input(&doc, row->data.data ? 0 : -1, row->original_time, row->subject);
		if (measure_again(plan, profile, &input, row->seq, &measure, &series) &&
			(plan->subject_path == NULL || meter_subjects_have(subjects, series.subject)))
			visit(arg, row, version, &measure, &series);
	}
}
