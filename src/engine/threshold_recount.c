/*
 * threshold_recount.c
 *		What thresholds know of usage that was counted anew.
 *
 * Rows follow usage by its changes; counting anew is none that could be followed.
 * So every row whose window meets the times is taken and computed from usage, and
 * the way from the value it had to the one it has now is held against its
 * thresholds as any other.
 *
 * Nothing slips through.  Whoever changes an account's usage holds its row until
 * the end of the transaction: what a row that was taken says, and what is
 * computed behind that, are of the same usage.  Rows that others are just making
 * are not seen here, but callers have waited for whoever began to ingest before
 * the new numbers were there: a base that is computed later is made of them.  It
 * is computed for every window that may have them (meter_threshold_unsettle).
 */
#include "engine/threshold_private.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

/* So many rows at a time: the more, the seldomer the rollups are read. */
#define CHUNK_ROWS 20000

/* The value of an account as it was. */
typedef struct Before
{
	bool		has_value;
	MeterDecimal value;
} Before;

/* Do values of the meter go on into later windows? */
static bool
persists(const MeterEntry *meter)
{
	for (int v = 0; v < meter->nversions; v++)
	{
		if (meter_plan_persists(meter->versions[v]))
			return true;
	}
	return false;
}

/* Compute rows anew, and tell of what that crosses. */
static void
recount(const pg_uuid_t *organization, TimestampTz now, MeterAccount **accounts, int n)
{
	Before	   *before = palloc_extended(Max(n, 1) * sizeof(Before), MCXT_ALLOC_HUGE);
	MeterBreaches breaches = {0};

	for (int i = 0; i < n; i++)
		before[i] = (Before) {accounts[i]->has_value, accounts[i]->value};
	meter_account_compute(organization, accounts, n);
	for (int i = 0; i < n; i++)
		meter_breaches_add(&breaches, accounts[i], before[i].has_value ? &before[i].value : NULL, i);
	meter_account_write(organization, accounts, n);
	if (breaches.n > 0)
		meter_breaches_emit(organization, now, &breaches);
}

/* Compute the rows of a watch anew. */
static void
recount_watch(const pg_uuid_t *organization, const MeterEntry *meter, const MeterWatch *watch,
			  TimestampTz from, TimestampTz to)
{
	TimestampTz now = GetCurrentTimestamp();
	MeterAccountList where = {
		.organization = *organization, .meter = meter, .watch = watch, .from = from, .to = to
	};
	bool		done = false;

	while (!done)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter recount",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);
		MeterAccount **accounts;
		MeterText	last = {NULL, 0};
		int			n;

		CHECK_FOR_INTERRUPTS();
		n = meter_account_list(&where, CHUNK_ROWS, &accounts, &done);
		recount(organization, now, accounts, n);
		MemoryContextSwitchTo(old);
		if (!done)
			last = (MeterText) {pnstrdup(where.key.data, where.key.len), where.key.len};
		where.key = last;
		MemoryContextDelete(context);
	}
}

/* Compute the rows of a meter's watches anew; see threshold.h. */
void
meter_threshold_recount(const pg_uuid_t *organization, const MeterEntry *meter, TimestampTz from, TimestampTz to)
{
	if (meter->nwatches == 0)
		return;
	if (persists(meter))
		to = DT_NOEND;
	/* one after the other by their numbers, as rows are taken */
	for (int32 done = -1;;)
	{
		const MeterWatch *next = NULL;

		for (int w = 0; w < meter->nwatches; w++)
		{
			if (meter->watches[w]->watch_no > done &&
				(next == NULL || meter->watches[w]->watch_no < next->watch_no))
				next = meter->watches[w];
		}
		if (next == NULL)
			return;
		recount_watch(organization, meter, next, from, to);
		done = next->watch_no;
	}
}

/* Windows may have usage that no row tells of; see threshold.h. */
void
meter_threshold_unsettle(const pg_uuid_t *organization, const MeterEntry *meter, TimestampTz upto)
{
	static MeterStatement statement = {
		"UPDATE meter.threshold_watch AS w SET empty_from = $3"
		" WHERE w.organization_id = $1 AND w.meter_id = $2 AND w.empty_from < $3",
		3, {UUIDOID, UUIDOID, TIMESTAMPTZOID}
	};
	Datum		values[3];
	bool		settled = true;

	for (int w = 0; w < meter->nwatches; w++)
		settled &= meter->watches[w]->empty_from >= upto;
	/* other sessions drop what they know of definitions even if nothing changes */
	if (settled)
		return;
	values[0] = UUIDPGetDatum(organization);
	values[1] = UUIDPGetDatum(&meter->id);
	values[2] = TimestampTzGetDatum(upto);
	meter_spi_execute(&statement, values, NULL, false);
}
