/*
 * store_threshold_list.c
 *		The rows of a watch, read as accounts.
 *
 * A row says whose usage it is and in which window.  Which version measures it
 * is found by the window's start, as it is for an event at that time; the
 * window's end may have moved since, where versions came to be or went.
 */
#include "engine/threshold_private.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

/* Columns of the query. */
enum
{
	ACCOUNT = 1, WINDOW_START, WINDOW_END, SUBJECT, CURRENCY, DIMENSIONS, SUBSCRIPTION, STARTED, ENDED, ROW
};

/* The version that measures a window from start on: where none is in force then,
 * but an event was counted there, the last that begins before its end. */
static const MeterPlan *
find_version(const MeterEntry *meter, TimestampTz start, TimestampTz end)
{
	const MeterPlan *plan = meter_entry_version(meter, start);

	for (int v = meter->nversions - 1; v >= 0 && plan == NULL; v--)
	{
		if (meter->versions[v]->effective_from < end || v == 0)
			plan = meter->versions[v];
	}
	return plan;
}

/*
 * The window that begins where the row's does, as it is now; false where none
 * does.  Billing periods end where they did: when a subscription's periods
 * change, those that have begun stay as they were.
 */
static bool
find_window(MeterAccount *account)
{
	const MeterWatch *watch = account->watch;
	const MeterWindow *window = watch->has_window ? &watch->window : &account->plan->profiles[0].window;
	MeterInterval run = meter_version_run(account->meter, account->plan);
	TimestampTz start = account->window_start;
	MeterInterval now = {start, account->window_end};

	if (window->size != METER_WINDOW_BILLING_PERIOD)
		meter_window_bounds(window, start, &now.from, &now.to);
	if (start >= run.from && start < run.to)
		now = (MeterInterval) {Max(now.from, run.from), Min(now.to, run.to)};
	account->window_end = now.to;
	return now.from == start;
}

static MeterText
copy_text(MeterText text)
{
	return text.data ? (MeterText) {pnstrdup(text.data, text.len), text.len} : text;
}

/* An account from a row; NULL where it has no window any more. */
static MeterAccount *
read_account(const MeterAccountList *where, uint64 row)
{
	MeterAccount *account = palloc0(sizeof(MeterAccount));
	MeterScopeKind scope = where->watch->scope;
	bool		isnull;
	Datum		value;

	account->meter = where->meter;
	account->watch = where->watch;
	account->window_start = DatumGetTimestampTz(meter_spi_value(row, WINDOW_START, &isnull));
	account->window_end = DatumGetTimestampTz(meter_spi_value(row, WINDOW_END, &isnull));
	/* an anchor, which is taken and that is all (threshold_later.c) */
	if (TIMESTAMP_IS_NOBEGIN(account->window_start))
		return NULL;
	account->plan = find_version(where->meter, account->window_start, account->window_end);
	if (account->plan == NULL || !find_window(account))
		return NULL;
	account->key = copy_text(meter_spi_get_text(row, ACCOUNT));
	account->subject = copy_text(meter_spi_get_text(row, SUBJECT));
	account->currency = copy_text(meter_spi_get_text(row, CURRENCY));
	account->dimensions = copy_text(meter_spi_get_text(row, DIMENSIONS));
	account->by_customer = scope != METER_SCOPE_SUBJECT && scope != METER_SCOPE_METER;
	account->from = account->window_start;
	account->to = account->window_end;
	value = meter_spi_value(row, SUBSCRIPTION, &isnull);
	account->by_subscription = !isnull;
	if (account->by_subscription)
	{
		account->subscription_id = *DatumGetUUIDP(value);
		value = meter_spi_value(row, STARTED, &isnull);
		account->from = isnull ? account->from : Max(account->from, DatumGetTimestampTz(value));
		value = meter_spi_value(row, ENDED, &isnull);
		account->to = isnull ? account->to : Min(account->to, DatumGetTimestampTz(value));
	}
	account->fired = palloc0(where->watch->nthresholds * sizeof(MeterFired));
	meter_account_read(account, row, ROW);
	return account;
}

#define LIST_SELECT(condition) \
	"SELECT t.account, t.window_start, t.window_end, t.subject, t.currency, t.dimensions, t.subscription_id," \
	" s.started_at, s.ended_at, " METER_ACCOUNT_COLUMNS \
	" FROM meter.threshold_usage AS t" \
	" LEFT JOIN meter.subscription AS s ON s.organization_id = t.organization_id AND s.id = t.subscription_id" \
	" WHERE t.organization_id = $1 AND t.watch_no = $2 AND t.window_end > $3 AND " condition \
	" ORDER BY t.account, t.window_start LIMIT $6 FOR UPDATE OF t"

/* The accounts in the rows that were found. */
static int
read_accounts(const MeterAccountList *where, MeterAccount ***list)
{
	int			n = 0;

	*list = palloc_extended(Max(SPI_processed, 1) * sizeof(MeterAccount *), MCXT_ALLOC_HUGE);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		MeterAccount *account = read_account(where, row);

		if (account)
			(*list)[n++] = account;
	}
	return n;
}

/* Take the next rows; see threshold_private.h. */
int
meter_account_list(MeterAccountList *where, int limit, MeterAccount ***list, bool *done)
{
	static MeterStatement statement = {
		LIST_SELECT("(t.account, t.window_start) > ($4, $5) AND t.window_start < $7"),
		7, {UUIDOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID}
	};
	MeterText	first = {"", 0};
	Datum		values[7];
	bool		isnull;
	int			n;

	values[0] = UUIDPGetDatum(&where->organization);
	values[1] = Int32GetDatum(where->watch->watch_no);
	values[2] = TimestampTzGetDatum(Max(where->from, where->watch->swept_before));
	values[3] = meter_spi_text(where->key.data ? where->key : first, &isnull);
	values[4] = TimestampTzGetDatum(where->key.data ? where->window_start : DT_NOBEGIN);
	values[5] = Int64GetDatum(limit);
	values[6] = TimestampTzGetDatum(where->to);
	meter_spi_execute_once(&statement, values, NULL, false);
	*done = SPI_processed < limit;
	n = read_accounts(where, list);
	if (!*done)
	{
		where->key = copy_text(meter_spi_get_text(SPI_processed - 1, ACCOUNT));
		where->window_start = DatumGetTimestampTz(meter_spi_value(SPI_processed - 1, WINDOW_START, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* Take the rows of later windows; see threshold_private.h. */
int
meter_account_list_later(const pg_uuid_t *organization, const MeterAccount *account, MeterAccount ***list)
{
	static MeterStatement statement = {
		LIST_SELECT("t.account = $4 AND t.window_start > $5"),
		6, {UUIDOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID, INT8OID}
	};
	MeterAccountList where = {.organization = *organization, .meter = account->meter, .watch = account->watch};
	Datum		values[6];
	char		nulls[] = "     n";
	bool		isnull;
	int			n;

	values[0] = UUIDPGetDatum(organization);
	values[1] = Int32GetDatum(account->watch->watch_no);
	values[2] = TimestampTzGetDatum(account->watch->swept_before);
	values[3] = meter_spi_text(account->key, &isnull);
	values[4] = TimestampTzGetDatum(account->window_start);
	values[5] = (Datum) 0;
	meter_spi_execute(&statement, values, nulls, false);
	n = read_accounts(&where, list);
	SPI_freetuptable(SPI_tuptable);
	return n;
}
