/*
 * threshold_base.c
 *		What the accounts of thresholds used, from usage itself.
 *
 * An account's row follows usage by what changes it.  Where there is no row yet,
 * or a change cannot be applied to one, the value is computed as meter.usage()
 * computes it, by the same code, and the state with it, so that the row can be
 * followed from there on.
 *
 * Accounts of a watch that have the same range are one question: usage is told
 * which account a series belongs to.  Of each subject that is asked for the
 * series are found by an index; the rollups of all of them are read at once.
 *
 * What persists from before the range (usage_carry.c) goes into the state: all
 * that a recurring profile counted so far, and for weighted_sum the level as a
 * sample at the range's start, which every event has a larger number than.
 */
#include "engine/threshold_private.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/customers.h"
#include "engine/usage.h"

/* Whose usage a subject's is: itself, or its customer. */
typedef struct Owner
{
	MeterText	subject;
	MeterText	name;
} Owner;

/* The accounts of a watch that have the same range. */
typedef struct Question
{
	const pg_uuid_t *organization;
	MeterAccount **accounts;	/* in order of account_cmp */
	int			n;
	bool		all;			/* subjects' usage, or of events that name none */
	int			nowners;
	Owner	   *owners;			/* by subject */
	TimestampTz from;			/* what usage is asked for */
	TimestampTz to;
	MemoryContext context;		/* of states and values */
} Question;

/* Texts in an order; none comes first. */
static int
text_cmp(MeterText a, MeterText b)
{
	int			cmp;

	if (a.data == NULL || b.data == NULL)
		return (a.data != NULL) - (b.data != NULL);
	cmp = memcmp(a.data, b.data, Min(a.len, b.len));
	return cmp != 0 ? cmp : a.len - b.len;
}

/* The order of a question's accounts, by what tells whose usage they are. */
static int
name_cmp(const MeterAccount *a, const MeterAccount *b)
{
	int			cmp = text_cmp(a->subject, b->subject);

	if (cmp == 0)
		cmp = text_cmp(a->currency, b->currency);
	return cmp != 0 ? cmp : text_cmp(a->dimensions, b->dimensions);
}

/* The order in which questions come out of the accounts. */
static int
question_cmp(const MeterAccount *a, const MeterAccount *b)
{
	if (a->watch->watch_no != b->watch->watch_no)
		return a->watch->watch_no < b->watch->watch_no ? -1 : 1;
	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	if (a->to != b->to)
		return a->to < b->to ? -1 : 1;
	return (int) a->by_customer - (int) b->by_customer;
}

static int
account_cmp(const void *pa, const void *pb)
{
	const MeterAccount *a = *(MeterAccount *const *) pa;
	const MeterAccount *b = *(MeterAccount *const *) pb;
	int			cmp = question_cmp(a, b);

	return cmp != 0 ? cmp : name_cmp(a, b);
}

static int
owner_cmp(const void *a, const void *b)
{
	return text_cmp(((const Owner *) a)->subject, ((const Owner *) b)->subject);
}

/* The subjects of the accounts, and whose they are. */
static void
find_owners(Question *question)
{
	int			size = 0;

	if (question->accounts[0]->watch->scope == METER_SCOPE_METER)
	{
		question->all = true;
		return;
	}
	for (int i = 0; i < question->n; i++)
	{
		const MeterAccount *account = question->accounts[i];
		MeterText	itself = account->subject;
		MeterText  *subjects = &itself;
		int			n = 1;

		question->all |= account->subject.data == NULL;
		if (account->subject.data == NULL ||
			(i > 0 && text_cmp(question->accounts[i - 1]->subject, account->subject) == 0))
			continue;
		if (account->by_customer)
			n = meter_customer_subjects(question->organization, &account->subject, DT_NOEND, &subjects);
		for (int s = 0; s < n; s++)
		{
			question->owners = meter_batch_grow(question->owners, question->nowners, &size,
											   sizeof(Owner), 64);
			question->owners[question->nowners++] = (Owner) {subjects[s], account->subject};
		}
	}
	qsort(question->owners, question->nowners, sizeof(Owner), owner_cmp);
}

/* The account that a series belongs to, the first of equal ones; or -1. */
static int
find_account(void *arg, const MeterSeries *series)
{
	const Question *question = arg;
	const MeterWatch *watch = question->accounts[0]->watch;
	MeterAccount key = {.currency = series->currency};
	int			low = 0;
	int			high = question->n;

	if (watch->scope == METER_SCOPE_METER)
		key.subject = question->accounts[0]->subject;
	else if (series->subject.data)
	{
		Owner		who = {.subject = series->subject};
		const Owner *owner = question->nowners == 0 ? NULL :
			bsearch(&who, question->owners, question->nowners, sizeof(Owner), owner_cmp);

		if (owner == NULL)
			return -1;
		key.subject = owner->name;
	}
	if (watch->per_dimensions)
		key.dimensions = series->dimensions;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (name_cmp(question->accounts[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < question->n && name_cmp(question->accounts[low], &key) == 0 ? low : -1;
}

/* Does the version's own profile measure what the account does? */
static bool
measures(const MeterAccount *account, int version)
{
	const MeterEntry *meter = account->meter;

	for (int i = 0; i < meter->nversions; i++)
	{
		if (meter->versions[i]->version == version)
			return meter_profile_agrees(&account->plan->profiles[0], &meter->versions[i]->profiles[0]);
	}
	return false;
}

/* Add a number to the value of an additive function. */
static void
add_value(MeterAccount *account, Numeric value)
{
	MeterDecimal decimal;
	MeterError	err;

	if (value == NULL)
		return;
	if (!meter_decimal_from_numeric(value, &decimal, &err))
		meter_error_throw(&err, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "watched usage");
	meter_decimal_add(&account->value, &decimal, &account->value);
}

/* A row of the answer: of most accounts it is the only one. */
static void
visit_row(void *arg, const MeterUsageRow *row)
{
	const Question *question = arg;
	MeterAccount *account = row->group < 0 ? NULL : question->accounts[row->group];
	MemoryContext old;

	if (account == NULL || !measures(account, row->version))
		return;
	old = MemoryContextSwitchTo(question->context);
	account->used = true;
	if (account->state == NULL)
		add_value(account, row->value);
	else if (row->state)
		meter_state_merge(account->state, row->state);
	/* what counted events out of its range has a row of its own, without a level */
	if (account->state && row->has_level && row->start == question->from)
	{
		MeterSample sample = {.value = &row->level, .time = account->from, .weight = 1};

		meter_state_add(account->state, &sample);
	}
	MemoryContextSwitchTo(old);
}

/*
 * A bound that usage can be asked for.  Of times whose events are past retention
 * it knows whole quarters of an hour only; taking all of one that a bound cuts is
 * nearer than nothing, and no report may fail for it.
 */
static TimestampTz
known_bound(TimestampTz t, bool end)
{
	TimestampTz quarter = meter_quarter_floor(t);
	MeterInterval *gone;

	if (quarter == t || meter_event_dropped((MeterInterval) {quarter, quarter + METER_QUARTER}, &gone) == 0)
		return t;
	return end ? quarter + METER_QUARTER : quarter;
}

/* Ask usage. */
static void
ask(Question *question)
{
	const MeterAccount *first = question->accounts[0];
	MeterText  *subjects;
	MeterOwnGroups own = {.ngroups = question->n, .find = find_account, .arg = question};
	MeterUsageRequest request = {
		.organization = *question->organization, .meter = first->meter, .own = &own
	};

	find_owners(question);
	subjects = palloc_extended(Max(question->nowners, 1) * sizeof(MeterText), MCXT_ALLOC_HUGE);
	for (int i = 0; i < question->nowners; i++)
		subjects[i] = question->owners[i].subject;
	own.nsubjects = question->nowners;
	own.subjects = question->all ? NULL : subjects;
	request.from = question->from = known_bound(first->from, false);
	request.to = question->to = known_bound(first->to, true);
	meter_usage_compute(&request, visit_row, question);
}

/* An account that another one of the question is the same as. */
static void
copy_account(MeterAccount *account, const MeterAccount *same)
{
	account->used = same->used;
	account->has_value = same->has_value;
	account->value = same->value;
	if (same->state)
		meter_state_merge(account->state, same->state);
}

/* Compute the accounts of one question. */
static void
answer(Question *question)
{
	MemoryContext context;
	MemoryContext old = CurrentMemoryContext;

	for (int i = 0; i < question->n; i++)
		meter_account_clear(question->accounts[i]);
	/* a subscription may have ended before it began */
	if (question->accounts[0]->from >= question->accounts[0]->to)
		return;
	question->context = old;
	context = AllocSetContextCreate(old, "meter accounts", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	ask(question);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	for (int i = 0; i < question->n; i++)
	{
		MeterAccount *account = question->accounts[i];

		if (i > 0 && name_cmp(question->accounts[i - 1], account) == 0)
			copy_account(account, question->accounts[i - 1]);
		else
			meter_account_read_value(account);
	}
}

/* Compute the accounts as usage is by the caller's snapshot; see
 * threshold_private.h. */
void
meter_account_compute_seen(const pg_uuid_t *organization, MeterAccount **accounts, int n)
{
	MeterAccount **sorted;

	if (n == 0)
		return;
	sorted = palloc_extended(n * sizeof(MeterAccount *), MCXT_ALLOC_HUGE);
	memcpy(sorted, accounts, n * sizeof(MeterAccount *));
	qsort(sorted, n, sizeof(MeterAccount *), account_cmp);
	for (int first = 0, next; first < n; first = next)
	{
		Question	question = {.organization = organization, .accounts = sorted + first};

		CHECK_FOR_INTERRUPTS();
		for (next = first + 1; next < n && question_cmp(sorted[first], sorted[next]) == 0; next++)
			continue;
		question.n = next - first;
		answer(&question);
	}
	pfree(sorted);
}

/* Compute the accounts as usage is now; see threshold_private.h. */
void
meter_account_compute(const pg_uuid_t *organization, MeterAccount **accounts, int n)
{
	/* what others wrote before they let go of the accounts, and what we did */
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	meter_account_compute_seen(organization, accounts, n);
	PopActiveSnapshot();
}
