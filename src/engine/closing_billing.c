/*
 * closing_billing.c
 *		Windows that are billing periods: each subject has its own.
 *
 * Subjects of customers with subscriptions are closed one by one; all others
 * have the same months and are closed together.
 */
#include "engine/closing_private.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "engine/spi.h"

static uint32
subject_hash(const void *key, Size keysize)
{
	const MeterText *text = key;

	return hash_bytes((const unsigned char *) text->data, text->len);
}

static int
subject_match(const void *a, const void *b, Size keysize)
{
	const MeterText *x = a;
	const MeterText *y = b;

	return x->len != y->len || memcmp(x->data, y->data, x->len) != 0;
}

/* The meter's subjects whose customers have subscriptions, as a set and a list. */
static int
find_subscribed(const MeterLane *lane, HTAB **set, MeterText **list)
{
	static MeterStatement statement = {
		"SELECT c.subject FROM meter.customer_subject AS c WHERE c.organization_id = $1"
		" AND EXISTS (SELECT FROM meter.subscription AS p"
		" WHERE p.organization_id = c.organization_id AND p.customer_id = c.customer_id)"
		" AND EXISTS (SELECT FROM pg_catalog.unnest($2) AS v(stream_id), LATERAL ("
		" SELECT FROM meter.series AS s WHERE s.organization_id = $1 AND s.stream_id = v.stream_id"
		" AND s.subject = c.subject LIMIT 1) AS s)"
		" ORDER BY c.subject",
		2, {UUIDOID, INT4ARRAYOID}
	};
	HASHCTL		ctl = {
		.keysize = sizeof(MeterText), .entrysize = sizeof(MeterText),
		.hash = subject_hash, .match = subject_match, .hcxt = CurrentMemoryContext
	};
	Datum		values[2];
	int			n;

	values[0] = UUIDPGetDatum(lane->organization);
	values[1] = meter_streams_array(lane->meter);
	meter_spi_execute(&statement, values, NULL, true);
	n = (int) SPI_processed;
	*set = hash_create("meter billed subjects", Max(n, 16), &ctl,
					   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	*list = palloc_extended(Max(n, 1) * sizeof(MeterText), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		MeterText	text = meter_spi_get_text(i, 1);

		(*list)[i] = (MeterText) {pnstrdup(text.data, text.len), text.len};
		(void) hash_search(*set, &(*list)[i], HASH_ENTER, NULL);
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* Visit the subjects whose windows differ; see closing_private.h. */
void
meter_billing_each(const MeterLane *lane, MeterSubjectVisit visit, void *arg)
{
	MeterClosingSubject rest = {.every = true};
	MemoryContext context;
	MeterText  *subjects;
	bool		any = false;
	int			n;

	for (int s = 0; s < lane->nspans; s++)
		any |= meter_span_billing(&lane->spans[s]);
	if (!any)
		return;
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	n = find_subscribed(lane, &rest.but, &subjects);
	context = AllocSetContextCreate(CurrentMemoryContext, "meter closing subject", ALLOCSET_DEFAULT_SIZES);
	for (int i = -1; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		MeterClosingSubject one = {.subject = i < 0 ? (MeterText) {NULL, 0} : subjects[i]};

		CHECK_FOR_INTERRUPTS();
		visit(arg, i < 0 ? &rest : &one);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	PopActiveSnapshot();
}

/* What closes the billing periods of a lane. */
typedef struct BillingClose
{
	MeterClosing *closing;
	const MeterLane *lane;
	TimestampTz after;
	TimestampTz upto;
	const MeterDays *days;
} BillingClose;

/* Close what is due of one subject, or of all that have no subscription. */
static void
close_subject(void *arg, const MeterClosingSubject *who)
{
	BillingClose *close = arg;
	const MeterLane *lane = close->lane;
	MeterPieces pieces = {0};

	for (int s = 0; s < lane->nspans; s++)
	{
		const MeterLaneSpan *span = &lane->spans[s];
		MeterPeriod whole = {DT_NOBEGIN, DT_NOEND, span->window};
		MeterPeriod *periods = &whole;
		int			n = 1;

		if (!meter_span_billing(span))
			continue;
		if (!who->every)
			n = meter_customer_periods(lane->organization, &who->subject, DT_NOBEGIN, DT_NOEND,
									   &span->window, &periods);
		for (int v = span->first; v <= span->last; v++)
		{
			for (int p = 0; p < n; p++)
			{
				TimestampTz upto = close->upto;

				meter_period_due(lane, v, &periods[p], close->after, &upto, close->days,
								 METER_USAGE_MAX_WINDOWS, &pieces);
			}
		}
	}
	meter_closing_runs(close->closing, lane, &pieces, who);
}

/* Close the billing periods due; see closing_private.h. */
void
meter_billing_close(MeterClosing *closing, const MeterLane *lane, TimestampTz after, TimestampTz upto,
					const MeterDays *days)
{
	BillingClose close = {closing, lane, after, upto, days};

	meter_billing_each(lane, close_subject, &close);
}
