/*
 * closing_results.c
 *		Results of windows, and what they become.
 *
 * Closing a window and revising it are the same work: what was used in it is
 * computed and compared with its last revision.  Where there is none, as when it
 * is closed, or another one, a revision is written; where the two agree,
 * nothing.  A result for which usage has no row any more goes to what the
 * function gives over no events.
 */
#include "engine/closing_private.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A list of results that grows. */
typedef struct ResultList
{
	const MeterClosingSubject *who;
	int			n;
	int			size;
	MeterResult *list;
	MemoryContext context;
} ResultList;

static MeterText
copy_text(MeterText text)
{
	return text.data ? (MeterText) {pnstrdup(text.data, text.len), text.len} : text;
}

static Numeric
copy_numeric(Numeric value)
{
	return value ? memcpy(palloc(VARSIZE(value)), value, VARSIZE(value)) : NULL;
}

/* Is it about this subject? */
static bool
is_about(const MeterClosingSubject *who, MeterText subject)
{
	if (who->every)
		return who->but == NULL || subject.data == NULL ||
			hash_search(who->but, &subject, HASH_FIND, NULL) == NULL;
	if (who->subject.data == NULL || subject.data == NULL)
		return who->subject.data == subject.data;
	return who->subject.len == subject.len &&
		memcmp(who->subject.data, subject.data, subject.len) == 0;
}

/* Take a copy of a result into a list. */
static void
visit_result(void *arg, const MeterResult *result)
{
	ResultList *results = arg;
	MemoryContext old;
	MeterResult *copy;

	if (!is_about(results->who, result->subject))
		return;
	old = MemoryContextSwitchTo(results->context);
	if (results->n >= results->size)
	{
		results->size = Max(256, 2 * results->size);
		results->list = results->list == NULL ? palloc(results->size * sizeof(MeterResult)) :
			repalloc_huge(results->list, results->size * sizeof(MeterResult));
	}
	copy = &results->list[results->n++];
	*copy = *result;
	copy->subject = copy_text(result->subject);
	copy->currency = copy_text(result->currency);
	copy->value = copy_numeric(result->value);
	MemoryContextSwitchTo(old);
}

/* A row of usage is a result without a revision yet. */
static void
visit_usage(void *arg, const MeterUsageRow *row)
{
	MeterResult result = {
		.start = row->start, .end = row->end, .subject = row->subject, .currency = row->currency,
		.version = row->version, .value = row->value, .count = row->count
	};

	visit_result(arg, &result);
}

static int
text_cmp(MeterText a, MeterText b)
{
	int			cmp;

	if (a.data == NULL || b.data == NULL)
		return (a.data == NULL) - (b.data == NULL);
	cmp = memcmp(a.data, b.data, Min(a.len, b.len));
	return cmp != 0 ? cmp : a.len - b.len;
}

static int
start_cmp(TimestampTz a, TimestampTz b)
{
	return a < b ? -1 : a > b;
}

/* The order of results, by what names them. */
static int
result_cmp(const void *pa, const void *pb)
{
	const MeterResult *a = pa;
	const MeterResult *b = pb;
	int			cmp = start_cmp(a->start, b->start);

	if (cmp == 0)
		cmp = start_cmp(a->end, b->end);
	if (cmp == 0)
		cmp = text_cmp(a->subject, b->subject);
	if (cmp == 0)
		cmp = text_cmp(a->currency, b->currency);
	return cmp != 0 ? cmp : a->version - b->version;
}

/* Compute what was used in the windows. */
static void
compute(const MeterLane *lane, const MeterPiece *pieces, int n, ResultList *results)
{
	const MeterClosingSubject *who = results->who;
	MeterUsageRequest request = {
		.organization = *lane->organization, .meter = lane->meter, .profile = lane->profile,
		.from = pieces[0].start, .to = pieces[n - 1].end,
		.windowed = true, .window = lane->spans[pieces[0].span].window,
		.by_subject = true, .raw_subjects = true
	};

	if (!who->every && who->subject.data)
		request.subject = &who->subject;
	else if (request.window.size == METER_WINDOW_BILLING_PERIOD)
		request.window.size = METER_WINDOW_MONTH;	/* what it is to nobody's customer */
	meter_usage_compute(&request, visit_usage, results);
	qsort(results->list, results->n, sizeof(MeterResult), result_cmp);
}

/* What a version's function gives over no events. */
static Numeric
empty_value(const MeterLane *lane, const MeterResult *result)
{
	for (int i = 0; i < lane->meter->nversions; i++)
	{
		const MeterPlan *plan = lane->meter->versions[i];
		int			number = meter_plan_profile(plan, lane->profile);
		MeterResultOptions options = {.window_start = result->start, .window_end = result->end};
		Numeric		value;
		bool		isnull;

		if (plan->version != result->version || number < 0)
			continue;
		options.fraction = plan->profiles[number].fraction;
		options.mode = plan->profiles[number].mode;
		value = meter_state_result(NULL, plan->profiles[number].function, &options, &isnull);
		return isnull ? NULL : value;
	}
	return NULL;
}

static Numeric
zero(void)
{
	return DatumGetNumeric(DirectFunctionCall1(int4_numeric, Int32GetDatum(0)));
}

/* How far a value is from the one before; none counts as zero. */
static Numeric
difference(Numeric value, Numeric before)
{
	if (value == NULL && before == NULL)
		return NULL;
	return DatumGetNumeric(DirectFunctionCall2(numeric_sub,
											   NumericGetDatum(value ? value : zero()),
											   NumericGetDatum(before ? before : zero())));
}

static bool
same_value(const MeterResult *a, const MeterResult *b)
{
	if (a->count != b->count || (a->value == NULL) != (b->value == NULL))
		return false;
	return a->value == NULL ||
		DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(a->value), NumericGetDatum(b->value)));
}

/* Go through both in order, and keep of the new ones those that differ. */
static int
compare(const MeterLane *lane, ResultList *now, const ResultList *last, MeterResult **changed)
{
	int			size = now->n + last->n;
	int			n = 0;
	int			l = 0;

	*changed = palloc_extended(Max(size, 1) * sizeof(MeterResult), MCXT_ALLOC_HUGE);
	for (int i = 0; i < now->n || l < last->n;)
	{
		int			cmp = i >= now->n ? 1 : l >= last->n ? -1 : result_cmp(&now->list[i], &last->list[l]);
		const MeterResult *before = cmp >= 0 ? &last->list[l++] : NULL;
		MeterResult result;

		CHECK_FOR_INTERRUPTS();
		if (cmp <= 0)
			result = now->list[i++];
		else
		{
			result = *before;
			result.value = empty_value(lane, before);
			result.count = 0;
		}
		if (before && same_value(&result, before))
			continue;
		result.revision = before ? before->revision + 1 : 1;
		result.delta = before ? difference(result.value, before->value) : result.value;
		(*changed)[n++] = result;
	}
	return n;
}

/* Compute a run of windows and write what is new. */
static void
close_run(MeterClosing *closing, const MeterLane *lane,
				  const MeterPiece *pieces, int n, const MeterClosingSubject *who)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter closing run",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ResultList	now = {.who = who, .context = context};
	ResultList	last = {.who = who, .context = context};
	MeterResult *changed;
	int			nchanged;

	/* behind the lock: a revision is never older than the one before it */
	closing->now = GetCurrentTimestamp();
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	compute(lane, pieces, n, &now);
	meter_result_scan(lane, pieces[0].start, pieces[n - 1].end, who, visit_result, &last);
	PopActiveSnapshot();
	qsort(last.list, last.n, sizeof(MeterResult), result_cmp);
	nchanged = compare(lane, &now, &last, &changed);
	meter_result_append(closing, lane, changed, nchanged);
	closing->written += nchanged;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Compute windows and write what is new; see closing_private.h. */
void
meter_closing_runs(MeterClosing *closing, const MeterLane *lane, MeterPieces *pieces,
				   const MeterClosingSubject *who)
{
	const MeterPiece *list = pieces->list;

	meter_pieces_keep_known(pieces);
	for (int first = 0, next; first < pieces->n; first = next)
	{
		CHECK_FOR_INTERRUPTS();
		for (next = first + 1; next < pieces->n; next++)
		{
			if (list[next].start != list[next - 1].end || list[next].version != list[first].version ||
				list[next].span != list[first].span)
				break;
		}
		close_run(closing, lane, list + first, next - first, who);
	}
}
