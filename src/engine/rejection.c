/*
 * rejection.c
 *		What becomes of events that were not counted.
 */
#include "engine/ingest.h"

/* What the rejected store calls an outcome; see batch.h. */
const char *
meter_rejection_status(MeterOutcome outcome)
{
	switch (outcome)
	{
		case METER_OUTCOME_REJECTED:
			return "rejected";
		case METER_OUTCOME_CONFLICT:
			return "conflict";
		case METER_OUTCOME_QUARANTINED:
			return "quarantined";
		default:
			return NULL;
	}
}

/* What is kept of an event that was not counted; see batch.h. */
MeterRejectedRow
meter_rejection_row(const MeterBatch *batch, const MeterEvent *event, const MeterEntry *meter, int64 first,
					const char *status, const MeterError *err)
{
	int64		id = meter_rejected_next_id();

	return (MeterRejectedRow) {
		.rejection_id = id, .first_id = first ? first : id,
			.seq = meter_event_keeps_keys(event) ? event->seq : 0,
			.time = event->main_time, .stored = meter_event_stored(batch, event),
			.meter_id = meter ? &meter->id : NULL, .status = status, .code = err->code,
			.pointer = err->pointer, .message = err->message, .payload = event->raw
	};
}

/* Keep what was not counted; see batch.h. */
void
meter_batch_keep_rejections(void *arg, MeterBatch *batch)
{
	int			size = batch->nevents + batch->ncontributions;
	MeterRejectedRow *rows = palloc(size * sizeof(MeterRejectedRow));
	int			n = 0;

	for (int i = 0; i < batch->nevents; i++)
	{
		const MeterEvent *event = &batch->events[i];
		int64		first = 0;

		for (int j = event->first; j < event->first + event->ncontributions; j++)
		{
			const MeterContribution *c = &batch->contributions[j];
			const char *status = meter_rejection_status(c->outcome);

			if (status == NULL)
				continue;
			rows[n] = meter_rejection_row(batch, event, c->meter, first, status, c->error);
			first = rows[n++].first_id;
		}
		if (first == 0 && (event->status == METER_STATUS_REJECTED || event->status == METER_STATUS_CONFLICT))
			rows[n++] = meter_rejection_row(batch, event, NULL, 0, meter_status_name(event->status), event->error);
	}
	meter_rejected_append(&batch->organization, batch->received_at, rows, n);
}

/* The SQLSTATE of a refusal; see batch.h. */
int
meter_refusal_sqlstate(const MeterError *err, int otherwise)
{
	return strcmp(err->code, "QUOTA_EXCEEDED") == 0 ? ERRCODE_CONFIGURATION_LIMIT_EXCEEDED : otherwise;
}

/* Why an event is not counted by all who listen, or NULL; one that is in
 * quarantine is not lost. */
static const MeterError *
refusal(const MeterBatch *batch, const MeterEvent *event)
{
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		/* what a meter says is more than that there is one */
		if (c->error && c->outcome != METER_OUTCOME_QUARANTINED)
			return c->error;
	}
	return event->status == METER_STATUS_REJECTED || event->status == METER_STATUS_CONFLICT ?
		event->error : NULL;
}

/* One bad event fails all; see batch.h. */
void
meter_batch_refuse_bad(const MeterBatch *batch)
{
	for (int i = 0; i < batch->nevents; i++)
	{
		const MeterError *error = refusal(batch, &batch->events[i]);

		if (error)
			meter_error_throw(error, meter_refusal_sqlstate(error, ERRCODE_DATA_EXCEPTION),
							  psprintf("event %d cannot be counted, and batches are all or nothing here",
									   batch->events[i].ordinal));
	}
}
