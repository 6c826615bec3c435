/*
 * rejection.c
 *		What becomes of events that were not counted.
 */
#include "engine/ingest.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/uuid.h"

/* Of a flood of rejections a domain event names the first ones only. */
#define NAMED_REJECTIONS 100

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
			.meter_id = meter ? &meter->id : NULL, .meter_key = meter ? meter->key : NULL, .status = status, .code = err->code,
			.pointer = err->pointer, .message = err->message, .payload = event->raw
	};
}

static bool
is_over_quota(const char *code)
{
	return strcmp(code, "QUOTA_EXCEEDED") == 0;
}

/* By meter, none first, and code; those of one pair stay in their order. */
static int
rejected_row_cmp(const void *pa, const void *pb)
{
	const MeterRejectedRow *a = *(const MeterRejectedRow *const *) pa;
	const MeterRejectedRow *b = *(const MeterRejectedRow *const *) pb;
	int			cmp = (a->meter_id != NULL) - (b->meter_id != NULL);

	if (cmp == 0 && a->meter_id)
		cmp = memcmp(a->meter_id, b->meter_id, UUID_LEN);
	if (cmp == 0)
		cmp = strcmp(a->code, b->code);
	return cmp != 0 ? cmp : (a > b) - (a < b);
}

/* Are they told of together? */
static bool
same_reason(const MeterRejectedRow *a, const MeterRejectedRow *b)
{
	return (a->meter_id == NULL) == (b->meter_id == NULL) &&
		(a->meter_id == NULL || memcmp(a->meter_id, b->meter_id, UUID_LEN) == 0) &&
		strcmp(a->code, b->code) == 0;
}

/* Append a member of an object, null where there is no text. */
static void
put_text(StringInfo buf, const char *name, const char *text)
{
	appendStringInfo(buf, "%c\"%s\":", buf->len > 0 ? ',' : '{', name);
	if (text)
		escape_json(buf, text);
	else
		appendStringInfoString(buf, "null");
}

/* The domain event of rejections by one meter, or none, for one reason. */
static MeterDomainEvent
rejected_event(const pg_uuid_t *organization, const MeterRejectedRow *const *rows, int n)
{
	const pg_uuid_t *meter_id = rows[0]->meter_id;
	char	   *id = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(meter_id ? meter_id : organization)));
	StringInfoData buf;

	initStringInfo(&buf);
	put_text(&buf, "meter_id", meter_id ? id : NULL);
	put_text(&buf, "meter_key", rows[0]->meter_key);
	put_text(&buf, "code", rows[0]->code);
	put_text(&buf, "message", rows[0]->message);
	appendStringInfo(&buf, ",\"events\":%d,\"rejection_ids\":[", n);
	for (int i = 0; i < Min(n, NAMED_REJECTIONS); i++)
		appendStringInfo(&buf, "%s" INT64_FORMAT, i > 0 ? "," : "", rows[i]->rejection_id);
	appendStringInfoString(&buf, "]}");
	return (MeterDomainEvent) {
		.aggregate_type = meter_id ? "meter" : "organization", .aggregate_id = id,
			.event_type = "usage.rejected", .payload = {buf.data, buf.len}
	};
}

/* Write domain events without waking relays: who is over a quota may go on
 * asking, and transactions that notify commit one by one. */
static void
append_quietly(const pg_uuid_t *organization, TimestampTz at, const MeterDomainEvent *events, int n)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("meter.outbox_notify", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	meter_domain_event_append(organization, at, events, n);
	AtEOXact_GUC(true, level);
}

/* Tell of rejections; see batch.h. */
void
meter_rejections_announce(const pg_uuid_t *organization, TimestampTz at, const MeterRejectedRow *rows, int n)
{
	const MeterRejectedRow **list = palloc(Max(n, 1) * sizeof(MeterRejectedRow *));
	MeterDomainEvent *events;
	int			nlist = 0;
	int			nevents = 0;
	int			nover;

	for (int i = 0; i < n; i++)
	{
		if (strcmp(rows[i].status, meter_rejection_status(METER_OUTCOME_QUARANTINED)) != 0)
			list[nlist++] = &rows[i];
	}
	qsort(list, nlist, sizeof(MeterRejectedRow *), rejected_row_cmp);
	events = palloc(Max(nlist, 1) * sizeof(MeterDomainEvent));
	nover = nlist;
	for (int first = 0, i; first < nlist; first = i)
	{
		MeterDomainEvent event;

		CHECK_FOR_INTERRUPTS();
		for (i = first + 1; i < nlist && same_reason(list[first], list[i]); i++)
			;
		event = rejected_event(organization, list + first, i - first);
		if (is_over_quota(list[first]->code))
			events[--nover] = event;
		else
			events[nevents++] = event;
	}
	meter_domain_event_append(organization, at, events, nevents);
	if (nover < nlist)
		append_quietly(organization, at, events + nover, nlist - nover);
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
	meter_rejections_announce(&batch->organization, batch->received_at, rows, n);
}

/* The SQLSTATE of a refusal; see batch.h. */
int
meter_refusal_sqlstate(const MeterError *err, int otherwise)
{
	return is_over_quota(err->code) ? ERRCODE_CONFIGURATION_LIMIT_EXCEEDED : otherwise;
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
