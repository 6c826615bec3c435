/*
 * threshold_emit.c
 *		What thresholds tell: domain events of what was crossed.
 *
 * They are written by the transaction that crossed it, so they are there if and
 * only if the usage is.
 */
#include "engine/threshold_private.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "values/timestamp.h"

/* A statement's share: an array has a limit. */
#define SLICE_ROWS 1000
#define SLICE_BYTES (16 * 1024 * 1024)

/* A threshold of an account that moves. */
typedef struct Mover
{
	MeterBreaches *breaches;
	MeterBreach breach;			/* but for the level */
} Mover;

/* Note that a level was crossed, or left. */
static void
add_breach(void *arg, const MeterDecimal *level)
{
	Mover	   *mover = arg;
	MeterBreaches *breaches = mover->breaches;

	breaches->list = meter_batch_grow(breaches->list, breaches->n, &breaches->size, sizeof(MeterBreach), 8);
	breaches->list[breaches->n] = mover->breach;
	breaches->list[breaches->n++].level = *level;
}

/* What a move crosses; see threshold_private.h. */
void
meter_breaches_add(MeterBreaches *breaches, MeterAccount *account, const MeterDecimal *from, int order)
{
	const MeterWatch *watch = account->watch;
	const MeterDecimal *to = meter_account_value(account);

	for (int i = 0; i < watch->nthresholds; i++)
	{
		const MeterThreshold *threshold = &watch->thresholds[i];
		Mover		mover = {breaches};

		if (threshold->paused || !meter_levels_between(&threshold->levels, from, to))
			continue;
		mover.breach = (MeterBreach) {
			.order = order, .account = account, .threshold = threshold,
			.has_observed = account->has_value
		};
		/* how many zeros end it depends on what else was in the batch */
		meter_decimal_trim(&account->value, &mover.breach.observed);
		if (meter_levels_move(&threshold->levels, &account->fired[i], from, to, add_breach, &mover))
		{
			mover.breach.resolved = true;
			add_breach(&mover, &threshold->levels.clear);
		}
	}
}

/* The order in which they are told of. */
static int
breach_cmp(const void *pa, const void *pb)
{
	const MeterBreach *a = *(MeterBreach *const *) pa;
	const MeterBreach *b = *(MeterBreach *const *) pb;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	if (a->threshold->threshold_no != b->threshold->threshold_no)
		return a->threshold->threshold_no < b->threshold->threshold_no ? -1 : 1;
	return a < b ? -1 : a > b;
}

/* A member that is a string; NULL data is null. */
static void
append_text(StringInfo buf, const char *name, MeterText text)
{
	appendStringInfo(buf, ",\"%s\":", name);
	if (text.data)
		escape_json(buf, pnstrdup(text.data, text.len));
	else
		appendStringInfoString(buf, "null");
}

static void
append_string(StringInfo buf, const char *name, const char *text)
{
	append_text(buf, name, (MeterText) {text, text ? strlen(text) : 0});
}

static char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

static void
append_time(StringInfo buf, const char *name, TimestampTz time)
{
	char		text[METER_TIMESTAMP_LEN];

	meter_timestamp_format(time, text);
	append_string(buf, name, text);
}

static void
append_decimal(StringInfo buf, const char *name, const MeterDecimal *value)
{
	Datum		number = NumericGetDatum(meter_decimal_to_numeric(value));

	appendStringInfo(buf, ",\"%s\":%s", name, DatumGetCString(DirectFunctionCall1(numeric_out, number)));
}

/* What the domain event of a breach says. */
static void
make_payload(StringInfo buf, const char *organization, TimestampTz now, const MeterBreach *breach)
{
	const MeterAccount *account = breach->account;
	const MeterThreshold *threshold = breach->threshold;
	const MeterWatch *watch = account->watch;

	appendStringInfo(buf, "{\"organization_id\":\"%s\"", organization);
	append_string(buf, "meter_id", uuid_text(&account->meter->id));
	append_string(buf, "meter_key", account->meter->key);
	append_string(buf, "threshold_id", uuid_text(&threshold->id));
	append_string(buf, "threshold_name", threshold->name);
	append_string(buf, "comparator", meter_comparator_name(threshold->levels.comparator));
	append_decimal(buf, "threshold_value", &breach->level);
	if (breach->has_observed)
		append_decimal(buf, "observed_value", &breach->observed);
	else
		append_string(buf, "observed_value", NULL);
	append_string(buf, "action_kind", threshold->action_kind);
	append_string(buf, "action_target", threshold->action_target);
	append_string(buf, "action_event_type", threshold->action_event_type);
	append_string(buf, "product_id", watch->scope == METER_SCOPE_PRODUCT ? watch->scope_id : NULL);
	append_string(buf, "subscription_id", account->by_subscription ? uuid_text(&account->subscription_id) : NULL);
	append_text(buf, "subject", account->subject);
	append_text(buf, "currency", account->currency);
	appendStringInfoString(buf, ",\"dimensions\":");
	if (account->dimensions.data)
		appendBinaryStringInfo(buf, account->dimensions.data, account->dimensions.len);
	else
		appendStringInfoString(buf, "null");
	append_time(buf, "window_start", account->window_start);
	append_time(buf, "window_end", account->window_end);
	append_time(buf, "occurred_at", now);
	appendStringInfoChar(buf, '}');
}

/* Write as many breaches as go into one statement; returns how many. */
static int
emit_slice(const pg_uuid_t *organization, TimestampTz now, MeterBreach *const *breaches, int n)
{
	char	   *organization_text = uuid_text(organization);
	MeterDomainEvent *events = palloc(Min(n, SLICE_ROWS) * sizeof(MeterDomainEvent));
	Size		bytes = 0;
	int			taken;

	for (taken = 0; taken < Min(n, SLICE_ROWS) && bytes < SLICE_BYTES; taken++)
	{
		const MeterBreach *breach = breaches[taken];
		StringInfoData buf;

		initStringInfo(&buf);
		make_payload(&buf, organization_text, now, breach);
		bytes += buf.len;
		events[taken] = (MeterDomainEvent) {
			.aggregate_type = "threshold", .aggregate_id = uuid_text(&breach->threshold->id),
				.event_type = breach->resolved ? "threshold.resolved" : breach->threshold->action_event_type,
				.payload = {buf.data, buf.len}
		};
	}
	meter_domain_event_append(organization, now, events, taken);
	return taken;
}

/* Write them to the outbox; see threshold_private.h. */
void
meter_breaches_emit(const pg_uuid_t *organization, TimestampTz now, MeterBreaches *breaches)
{
	MemoryContext context;
	MemoryContext old;
	MeterBreach **sorted;

	if (breaches->n == 0)
		return;
	sorted = palloc_extended(breaches->n * sizeof(MeterBreach *), MCXT_ALLOC_HUGE);
	for (int i = 0; i < breaches->n; i++)
		sorted[i] = &breaches->list[i];
	qsort(sorted, breaches->n, sizeof(MeterBreach *), breach_cmp);

	context = AllocSetContextCreate(CurrentMemoryContext, "meter breaches", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	for (int i = 0; i < breaches->n;)
	{
		CHECK_FOR_INTERRUPTS();
		i += emit_slice(organization, now, sorted + i, breaches->n - i);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	pfree(sorted);
	breaches->n = 0;
}
