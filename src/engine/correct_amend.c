/*
 * correct_amend.c
 *		The event that takes another one's place.
 *
 * It is what the old one would be if it came with other data: measured by the
 * same code that measures what comes, by the versions in force at its time.
 * Three things differ.  It claims no envelope's key, for the old one's leads to
 * it.  Whether it is late was decided once: a meter that counted the old one
 * counts it at the same place, and one that refused it for its time or put it
 * into quarantine does so again.  And a meter that was archived since takes it
 * where it took the old one.
 */
#include "engine/correct.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "engine/event_page.h"
#include "values/timestamp.h"

static void
append_attribute(StringInfo buf, const char *name, MeterText value)
{
	if (value.data == NULL)
		return;
	appendStringInfo(buf, "%s\"%s\":", buf->len > 1 ? "," : "", name);
	escape_json(buf, pnstrdup(value.data, value.len));
}

/* The whole event as it would have come. */
static MeterText
write_text(const MeterCorrection *correction, const MeterEventRow *old)
{
	StringInfoData buf;
	char		time[METER_TIMESTAMP_LEN];
	int			len = meter_timestamp_format(old->original_time, time);

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	append_attribute(&buf, "type", old->type);
	append_attribute(&buf, "id", old->id);
	append_attribute(&buf, "source", old->source);
	append_attribute(&buf, "subject", old->subject);
	append_attribute(&buf, "time", (MeterText) {time, len});
	if (old->meter_id)
	{
		char	   *meter = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(old->meter_id)));

		append_attribute(&buf, "meter", (MeterText) {meter, strlen(meter)});
	}
	if (correction->data.data)
	{
		appendStringInfoString(&buf, ",\"data\":");
		appendBinaryStringInfo(&buf, correction->data.data, correction->data.len);
	}
	appendStringInfoChar(&buf, '}');
	return (MeterText) {buf.data, buf.len};
}

/* Did a version of the meter count the row? */
static bool
counted_row(const MeterEventRow *row, const MeterEntry *meter)
{
	MeterText	versions = row->versions;
	int32		version_id;

	while (meter_event_next_version(&versions, &version_id))
	{
		for (int v = 0; v < meter->nversions; v++)
		{
			if (meter->versions[v]->version_id == version_id)
				return true;
		}
	}
	return false;
}

/* The row of the event that the meter counted, or NULL. */
static const MeterEventRow *
find_counted(const MeterStoredEvent *stored, const MeterEntry *meter)
{
	for (int i = 0; i < stored->nrows; i++)
	{
		if (counted_row(&stored->rows[i], meter))
			return &stored->rows[i];
	}
	return NULL;
}

/* Was the old event refused or put aside by the meter for its time?  Then so
 * is the new one. */
static bool
untimely(const MeterStoredEvent *stored, MeterContribution *c)
{
	static const char *const codes[] = {"LATE", "LATE_QUARANTINED", "TOO_OLD", "TOO_FUTURE"};

	for (int i = 0; i < stored->nrejections; i++)
	{
		const MeterReversedRejection *rejection = &stored->rejections[i];
		MeterError	err;

		if (memcmp(&rejection->meter_id, &c->meter->id, UUID_LEN) != 0)
			continue;
		for (int k = 0; k < lengthof(codes); k++)
		{
			if (strcmp(rejection->code, codes[k]) != 0)
				continue;
			meter_error_set(&err, codes[k], "%s", rejection->message);
			meter_error_prepend(&err, "time", 4);
			c->error = meter_batch_error(&err);
			c->outcome = strcmp(rejection->status, "quarantined") == 0 ?
				METER_OUTCOME_QUARANTINED : METER_OUTCOME_REJECTED;
			return true;
		}
	}
	return false;
}

/* Measure the event, and leave out who does not take it any more. */
static void
measure(MeterBatch *batch, const MeterStoredEvent *stored)
{
	MeterEvent *event = &batch->events[0];

	meter_batch_measure(batch, 0);
	if (meter_cache_organization(&batch->organization)->require_known_subject)
		meter_batch_require_known(batch);
	for (int i = 0; i < batch->ncontributions; i++)
	{
		MeterContribution *c = &batch->contributions[i];

		if (c->outcome == METER_OUTCOME_COUNTED && untimely(stored, c))
			continue;
		/* it was judged once; an archived meter keeps what it has */
		c->timing = METER_TIMELY;
		if (!c->meter->archived || find_counted(stored, c->meter))
			continue;
		c->outcome = METER_OUTCOME_FILTERED;
		c->error = NULL;
	}
	if (batch->ncontributions > 0)
		meter_event_settle(batch, event);
}

/*
 * Claim a meter's key; one that was there must lead to the old event, as it does
 * where that or one before it had it.
 */
static void
claim_key(const MeterCorrection *correction, const MeterStoredEvent *stored, MeterBatch *batch,
		  MeterContribution *c)
{
	const MeterEvent *event = &batch->events[0];
	MeterKey	key = {
		.space = c->meter->meter_no, .key = c->dedup_key, .payload_hash = event->payload_hash,
			.time = stored->rows[0].time, .seq = event->seq
	};
	int64		newest = stored->seq;
	bool		gone;
	MeterError	err;
	bool		found;

	meter_key_claim(&batch->organization, &key, 1);
	if (key.state == METER_KEY_NEW)
		return;
	PushActiveSnapshot(GetLatestSnapshot());
	meter_key_find(&batch->organization, &key, 1, &found);
	(void) meter_reversal_follow(&batch->organization, key.time, &key.seq);
	gone = meter_reversal_follow(&batch->organization, stored->time, &newest);
	PopActiveSnapshot();
	if (gone || newest != stored->seq)
		meter_correct_reversed(correction);
	if (key.seq == stored->seq)
		return;
	meter_error_set(&err, "KEY_CONFLICT", "another event was counted with this key");
	c->outcome = METER_OUTCOME_CONFLICT;
	c->error = meter_batch_error(&err);
}

/* Keep whole what some of the meters refused. */
static void
keep_rejections(const MeterBatch *batch, TimestampTz time)
{
	MeterRejectedRow *rows = palloc(Max(batch->ncontributions, 1) * sizeof(MeterRejectedRow));
	int			n = 0;

	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->error == NULL)
			continue;
		rows[n] = (MeterRejectedRow) {
			.rejection_id = meter_rejected_next_id(), .seq = batch->events[0].seq,
				.time = time, .stored = true,
				.meter_id = &c->meter->id, .meter_key = c->meter->key, .status = meter_rejection_status(c->outcome),
				.code = c->error->code, .pointer = c->error->pointer, .message = c->error->message,
				.payload = batch->events[0].raw
		};
		rows[n].first_id = rows[0].rejection_id;
		n++;
	}
	meter_rejected_append(&batch->organization, batch->received_at, rows, n);
	meter_rejections_announce(&batch->organization, batch->received_at, rows, n);
}

/* Name a version in the row that is counted at a time, made if there is none. */
static void
place_version(MeterStoredEvent *replacement, TimestampTz time, int32 version_id)
{
	MeterEventRow *row = NULL;
	char	   *text;

	for (int i = 0; i < replacement->nrows && row == NULL; i++)
	{
		if (replacement->rows[i].time == time)
			row = &replacement->rows[i];
	}
	if (row == NULL)
	{
		row = &replacement->rows[replacement->nrows++];
		*row = replacement->rows[0];
		row->time = time;
		row->supplement = true;
		row->versions = (MeterText) {"{}", 2};
	}
	text = psprintf("%.*s%s%d}", row->versions.len - 1, row->versions.data,
					row->versions.len > 2 ? "," : "", version_id);
	row->versions = (MeterText) {text, strlen(text)};
}

/* The rows of the new event, one for each place it is counted at. */
static void
place_rows(const MeterBatch *batch, const MeterStoredEvent *stored, MeterStoredEvent *replacement)
{
	const MeterEvent *event = &batch->events[0];

	replacement->rows = palloc((batch->ncontributions + 1) * sizeof(MeterEventRow));
	replacement->rows[0] = stored->rows[0];
	replacement->rows[0].seq = event->seq;
	/* a release may have put a supplement beside the main row */
	replacement->rows[0].supplement = false;
	replacement->rows[0].data = event->data;
	replacement->rows[0].versions = (MeterText) {"{}", 2};
	replacement->nrows = 1;
	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];
		const MeterEventRow *old = find_counted(stored, c->meter);

		if (c->outcome == METER_OUTCOME_COUNTED)
			place_version(replacement, old ? old->time : event->time, c->plan->version_id);
	}
}

/* Make the event that takes a stored one's place; see correct.h. */
void
meter_amend(const MeterCorrection *correction, const MeterStoredEvent *stored, int64 seq,
			TimestampTz now, MeterStoredEvent *replacement, const MeterError **partial)
{
	MeterBatch	batch = {
		.organization = correction->organization, .received_at = now, .amends = true,
			.context = AllocSetContextCreate(CurrentMemoryContext, "meter amendment", ALLOCSET_DEFAULT_SIZES)
	};
	MemoryContext old = MemoryContextSwitchTo(batch.context);
	MeterEvent *event = palloc0(sizeof(MeterEvent));
	MeterError	err;

	batch.events = event;
	batch.nevents = 1;
	event->raw = write_text(correction, &stored->rows[0]);
	event->seq = seq;
	if (!meter_envelope_read(&batch, event, &err))
		meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, "the amended event cannot be counted");
	measure(&batch, stored);
	for (int i = 0; i < batch.ncontributions; i++)
	{
		MeterContribution *c = &batch.contributions[i];

		if (c->plan->dedup_path && c->outcome == METER_OUTCOME_COUNTED)
			claim_key(correction, stored, &batch, c);
	}
	if (batch.ncontributions > 0)
		meter_event_settle(&batch, event);
	if (event->status == METER_STATUS_REJECTED || event->status == METER_STATUS_CONFLICT)
		meter_error_throw(event->error, ERRCODE_INVALID_PARAMETER_VALUE, "the amended event cannot be counted");
	*partial = event->error;
	keep_rejections(&batch, stored->time);
	place_rows(&batch, stored, replacement);
	MemoryContextSwitchTo(old);
}
