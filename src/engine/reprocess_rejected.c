/*
 * reprocess_rejected.c
 *		The rejected store, where events are counted anew.
 *
 * An event that a meter put in quarantine stays there until it is released.  One
 * it rejected and counts now is rejected no more.  One it has to reject now is
 * kept as at ingestion, unless it is there already.
 */
#include "engine/reprocess_private.h"

#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/uuid.h"

#include "values/timestamp.h"

/* Is there something the rejected store may know of the row, or should? */
static bool
is_concerned(const MeterReprocessChunk *chunk, const MeterReprocessRow *row)
{
	const MeterContribution *c = meter_reprocess_contribution(chunk, row);

	return c && (row->counted_by == 0 || meter_rejection_status(c->outcome) != NULL);
}

static int
rejection_cmp(const void *pa, const void *pb)
{
	const MeterKnownRejection *a = pa;
	const MeterKnownRejection *b = pb;

	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* What the store knows of a row: sets the meter's own rejection, and the first
 * one of the event. */
static void
look_at(MeterReprocessChunk *chunk, MeterReprocessRow *row, const MeterKnownRejection *list, int n)
{
	MeterKnownRejection wanted = {.seq = row->event.seq};
	const MeterKnownRejection *found = bsearch(&wanted, list, n, sizeof(wanted), rejection_cmp);

	if (found == NULL)
		return;
	while (found > list && found[-1].seq == row->event.seq)
		found--;
	for (; found < list + n && found->seq == row->event.seq; found++)
	{
		row->first_rejection = found->first_id;
		if (!found->open || memcmp(&found->meter_id, &chunk->reprocess->meter->id, UUID_LEN) != 0)
			continue;
		row->rejection = found->rejection_id;
		if (found->quarantined)
			meter_reprocess_contribution(chunk, row)->outcome = METER_OUTCOME_FILTERED;
	}
}

/* What is in quarantine stays there; see reprocess_private.h. */
void
meter_reprocess_find_rejections(MeterReprocessChunk *chunk)
{
	int64	   *seqs = palloc(Max(chunk->nrows, 1) * sizeof(int64));
	MeterKnownRejection *list;
	int			n = 0;

	for (int i = 0; i < chunk->nrows; i++)
	{
		if (is_concerned(chunk, &chunk->rows[i]))
			seqs[n++] = chunk->rows[i].event.seq;
	}
	if (n == 0)
		return;
	n = meter_known_rejection_find(&chunk->reprocess->organization, seqs, n, &list);
	qsort(list, n, sizeof(MeterKnownRejection), rejection_cmp);
	for (int i = 0; i < chunk->nrows && n > 0; i++)
	{
		if (is_concerned(chunk, &chunk->rows[i]))
			look_at(chunk, &chunk->rows[i], list, n);
	}
}

static void
put_member(StringInfo buf, const char *name, MeterText text)
{
	if (text.data == NULL)
		return;
	appendStringInfo(buf, "%s\"%s\": ", buf->len > 1 ? ", " : "", name);
	escape_json(buf, pnstrdup(text.data, text.len));
}

/* The whole event, as it came but for what is written in several ways. */
static MeterText
write_event(const MeterEvent *event)
{
	StringInfoData buf;
	char		when[METER_TIMESTAMP_LEN];
	char	   *meter;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	put_member(&buf, "id", event->id);
	put_member(&buf, "source", event->source);
	put_member(&buf, "type", event->type);
	put_member(&buf, "subject", event->subject);
	if (event->time_given)
	{
		meter_timestamp_format(event->time, when);
		put_member(&buf, "time", (MeterText) {when, strlen(when)});
	}
	if (event->target)
	{
		meter = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&event->target->id)));
		put_member(&buf, "meter", (MeterText) {meter, strlen(meter)});
	}
	if (event->data.data)
	{
		appendStringInfoString(&buf, ", \"data\": ");
		appendBinaryStringInfo(&buf, event->data.data, event->data.len);
	}
	appendStringInfoChar(&buf, '}');
	return (MeterText) {buf.data, buf.len};
}

static MeterRejectedRow
rejected_row(MeterReprocessChunk *chunk, const MeterReprocessRow *row)
{
	const MeterContribution *c = meter_reprocess_contribution(chunk, row);
	const MeterEvent *event = &chunk->batch.events[c->event];
	int64		id = meter_rejected_next_id();

	return (MeterRejectedRow) {
		.rejection_id = id, .first_id = row->first_rejection ? row->first_rejection : id,
			.seq = event->seq, .stored = true,
			/* the event itself stands at its own time, if not here */
			.time = row->event.supplement ? event->time : event->main_time,
			.meter_id = &chunk->reprocess->meter->id, .meter_key = chunk->reprocess->meter->key,
			.status = meter_rejection_status(c->outcome),
			.code = c->error->code, .pointer = c->error->pointer, .message = c->error->message,
			.payload = write_event(event)
	};
}

/* Note what is rejected now, and what is no more; see reprocess_private.h. */
void
meter_reprocess_keep_rejections(MeterReprocessChunk *chunk)
{
	const pg_uuid_t *organization = &chunk->reprocess->organization;
	MeterRejectedRow *rows = palloc(Max(chunk->nrows, 1) * sizeof(MeterRejectedRow));
	int64	   *counted = palloc(Max(chunk->nrows, 1) * sizeof(int64));
	int			ncounted = 0;
	int			n = 0;

	for (int first = 0, i = 0; first < chunk->nrows; first = i)
	{
		int			page = chunk->rows[first].page;
		int			begin = n;

		for (i = first; i < chunk->nrows && chunk->rows[i].page == page; i++)
		{
			const MeterReprocessRow *row = &chunk->rows[i];
			const MeterContribution *c = meter_reprocess_contribution(chunk, row);

			if (c == NULL)
				continue;
			if (row->rejection && c->outcome == METER_OUTCOME_COUNTED)
				counted[ncounted++] = row->rejection;
			if (row->rejection == 0 && meter_rejection_status(c->outcome) != NULL)
				rows[n++] = rejected_row(chunk, row);
		}
		meter_rejected_append(organization, chunk->pages[page].received_at, rows + begin, n - begin);
	}
	meter_rejections_announce(organization, chunk->reprocess->now, rows, n);
	if (ncounted > 0)
		meter_known_rejection_resolve(organization, counted, ncounted, chunk->reprocess->now);
}
