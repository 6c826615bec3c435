/*
 * store_threshold.c
 *		The rows of what thresholds watch.
 *
 * A row belongs, until its end, to the transaction that took it.  Rows are taken
 * by one INSERT, which makes those that are missing and locks the others on its
 * way, in one order: whoever waits for a row holds none behind it, so nobody
 * waits in a circle, also where a window has just begun and several make its
 * rows.  Nearly all rows only add up, and what is going to be added is known: the
 * same INSERT adds it, and such a row is written again only for what it crossed,
 * or where a quota was against some of it.  A single row of which it is not known
 * is locked by a SELECT: it is there nearly always.
 */
#include "engine/threshold_private.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

#define ROW_CONDITION(watch_no, account, window_start) \
	"t.organization_id = $1 AND t.watch_no = " watch_no " AND t.account = " account \
	" AND t.window_start = " window_start

static int
account_cmp(const void *pa, const void *pb)
{
	const MeterAccount *a = *(MeterAccount *const *) pa;
	const MeterAccount *b = *(MeterAccount *const *) pb;
	int			cmp;

	if (a->watch->watch_no != b->watch->watch_no)
		return a->watch->watch_no < b->watch->watch_no ? -1 : 1;
	cmp = memcmp(a->key.data, b->key.data, Min(a->key.len, b->key.len));
	if (cmp != 0)
		return cmp;
	if (a->key.len != b->key.len)
		return a->key.len - b->key.len;
	return a->window_start < b->window_start ? -1 : a->window_start > b->window_start;
}

/* The order in which rows are taken. */
void
meter_account_sort(MeterAccount **accounts, int n)
{
	qsort(accounts, n, sizeof(MeterAccount *), account_cmp);
}

/* A decimal that was stored. */
static MeterDecimal
stored_decimal(Datum value)
{
	MeterDecimal result;
	MeterError	err;

	if (!meter_decimal_from_numeric((Numeric) PG_DETOAST_DATUM_COPY(value), &result, &err))
		meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "watched usage");
	return result;
}

/* What is fired, of the thresholds that are still there. */
static void
read_fired(MeterAccount *account, MeterText fired)
{
	const MeterWatch *watch = account->watch;
	int32		threshold_no;
	MeterFired	one;

	memset(account->fired, 0, watch->nthresholds * sizeof(MeterFired));
	while (fired.data && meter_fired_unpack(&fired, &threshold_no, &one))
	{
		for (int i = 0; i < watch->nthresholds; i++)
		{
			if (watch->thresholds[i].threshold_no == threshold_no)
				account->fired[i] = one;
		}
	}
}

/* Read an account from a row, whose METER_ACCOUNT_COLUMNS begin there. */
void
meter_account_read(MeterAccount *account, uint64 row, int column)
{
	MeterText	state;
	bool		isnull;
	Datum		value;

	account->is_new = false;
	account->place = *(ItemPointer) DatumGetPointer(meter_spi_value(row, column, &isnull));
	value = meter_spi_value(row, column + 1, &isnull);
	account->has_value = !isnull;
	account->value = isnull ? meter_decimal_zero : stored_decimal(value);
	state = meter_spi_get_text(row, column + 2);
	/* one without bytes was put there by who changed whose usage it is */
	account->state = state.len > 0 ? meter_state_unpack(state.data, state.len, CurrentMemoryContext) : NULL;
	account->misfit = DatumGetTimestampTz(meter_spi_value(row, column + 6, &isnull)) != account->window_end ||
		(meter_account_additive(account) ? state.data != NULL : account->state == NULL) ||
		(account->state && !meter_profile_reads(&account->plan->profiles[0], account->state));
	read_fired(account, meter_spi_get_text(row, column + 3));
	account->reserved = stored_decimal(meter_spi_value(row, column + 4, &isnull));
	value = meter_spi_value(row, column + 5, &isnull);
	account->reserved_until = isnull ? DT_NOEND : DatumGetTimestampTz(value);
}

/* Run a statement for the row of one account; false where it is none. */
static bool
find_row(const pg_uuid_t *organization, MeterAccount *account, MeterStatement *statement, bool read_only)
{
	Datum		values[4];
	bool		isnull;
	bool		found;

	values[0] = UUIDPGetDatum(organization);
	values[1] = Int32GetDatum(account->watch->watch_no);
	values[2] = meter_spi_text(account->key, &isnull);
	values[3] = TimestampTzGetDatum(account->window_start);
	meter_spi_execute(statement, values, NULL, read_only);
	found = SPI_processed > 0;
	if (found)
		meter_account_read(account, 0, 1);
	SPI_freetuptable(SPI_tuptable);
	return found;
}

#define ONE "SELECT " METER_ACCOUNT_COLUMNS " FROM meter.threshold_usage AS t WHERE " ROW_CONDITION("$2", "$3", "$4")
#define ONE_TYPES {UUIDOID, INT4OID, TEXTOID, TIMESTAMPTZOID}
static MeterStatement row_looked = {ONE, 4, ONE_TYPES};
static MeterStatement row_locked = {ONE " FOR UPDATE", 4, ONE_TYPES};

/* Find the row of one account, locked or just to look; false where it is none. */
bool
meter_account_look(const pg_uuid_t *organization, MeterAccount *account, bool lock)
{
	return find_row(organization, account, lock ? &row_locked : &row_looked, false);
}

/* Find it by the caller's snapshot; see threshold_private.h. */
bool
meter_account_seen(const pg_uuid_t *organization, MeterAccount *account)
{
	return find_row(organization, account, &row_looked, true);
}

/* Is a row that insert_rows() returned this account's? */
static bool
is_row_of(const MeterAccount *account, uint64 row)
{
	bool		isnull;
	MeterText	key = meter_spi_get_text(row, 2);

	return DatumGetInt32(meter_spi_value(row, 1, &isnull)) == account->watch->watch_no &&
		DatumGetTimestampTz(meter_spi_value(row, 3, &isnull)) == account->window_start &&
		meter_text_same(key, account->key);
}

/* Read a row that was made, or moved by what is ahead: the account is as it was
 * before that. */
static void
read_inserted(MeterAccount *account, uint64 row)
{
	bool		isnull;

	if (!account->has_ahead || meter_spi_get_text(row, 6).data)
	{
		account->is_new = true;
		account->place = *(ItemPointer) DatumGetPointer(meter_spi_value(row, 4, &isnull));
		return;
	}
	meter_account_read(account, row, 4);
	account->moved = true;
	account->row_value = account->value;
	meter_decimal_sub(&account->value, &account->ahead, &account->value);
}

/*
 * Make the rows that are missing and lock the others.  Where a row only adds up
 * and what is coming is known, this is all that is ever done to it but for what it
 * crosses: what is ahead is added here.  A new row whose base is not known yet is
 * told from one that was there by its state, which has no bytes.
 */
static void
insert_rows(const pg_uuid_t *organization, MeterAccount **accounts, int n)
{
	static MeterInsert insert = {
		"meter.threshold_usage AS t",
		" ON CONFLICT (organization_id, watch_no, account, window_start)"
		" DO UPDATE SET value = t.value + excluded.value WHERE excluded.value IS NOT NULL"
		" AND t.value IS NOT NULL AND t.state IS NULL AND t.window_end = excluded.window_end"
		" RETURNING t.watch_no, t.account, t.window_start, " METER_ACCOUNT_COLUMNS,
		1, 11,
		{
			{"organization_id", UUIDOID}, {"watch_no", INT4OID}, {"account", TEXTOID},
			{"window_start", TIMESTAMPTZOID}, {"window_end", TIMESTAMPTZOID}, {"subject", TEXTOID},
			{"currency", TEXTOID}, {"dimensions", TEXTOID}, {"subscription_id", UUIDOID},
			{"value", NUMERICOID}, {"state", BYTEAOID}
		}
	};
	Datum		organization_datum = UUIDPGetDatum(organization);
	Datum		no_bytes = PointerGetDatum(cstring_to_text_with_len("", 0));
	Datum	   *columns = palloc_extended(10 * n * sizeof(Datum), MCXT_ALLOC_HUGE);
	bool	   *nulls = palloc_extended(10 * n * sizeof(bool), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	uint64		row = 0;

	for (int i = 0; i < n; i++)
	{
		MeterAccount *account = accounts[i];

		columns[i] = Int32GetDatum(account->watch->watch_no);
		columns[n + i] = meter_spi_text(account->key, &nulls[n + i]);
		columns[2 * n + i] = TimestampTzGetDatum(account->window_start);
		columns[3 * n + i] = TimestampTzGetDatum(account->window_end);
		columns[4 * n + i] = meter_spi_text(account->subject, &nulls[4 * n + i]);
		columns[5 * n + i] = meter_spi_text(account->currency, &nulls[5 * n + i]);
		columns[6 * n + i] = meter_spi_text(account->dimensions, &nulls[6 * n + i]);
		columns[7 * n + i] = UUIDPGetDatum(&account->subscription_id);
		nulls[7 * n + i] = !account->by_subscription;
		columns[8 * n + i] = account->has_ahead ?
			NumericGetDatum(meter_decimal_to_numeric(&account->ahead)) : (Datum) 0;
		nulls[8 * n + i] = !account->has_ahead;
		columns[9 * n + i] = no_bytes;
		nulls[9 * n + i] = !account->has_ahead || meter_account_begins_empty(account);
	}
	meter_spi_insert(&insert, &organization_datum, columns, nulls, n);

	/* the rows that were made or moved come in the order in which they were asked for */
	for (int i = 0; i < n; i++)
	{
		accounts[i]->is_new = accounts[i]->moved = false;
		if (row < SPI_processed && is_row_of(accounts[i], row))
			read_inserted(accounts[i], row++);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Read the rows that were there, which are locked by now. */
static void
read_rows(const pg_uuid_t *organization, MeterAccount **accounts, int n)
{
	static MeterStatement statement = {
		"SELECT u.n, t.* FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))"
		" WITH ORDINALITY AS u(watch_no, account, window_start, n),"
		" LATERAL (SELECT " METER_ACCOUNT_COLUMNS " FROM meter.threshold_usage AS t"
		" WHERE " ROW_CONDITION("u.watch_no", "u.account", "u.window_start") " OFFSET 0) AS t",
		4, {UUIDOID, INT4ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
	};
	MeterAccount **there = palloc(n * sizeof(MeterAccount *));
	Datum	   *columns = palloc_extended(3 * n * sizeof(Datum), MCXT_ALLOC_HUGE);
	Datum		values[4];
	int			nthere = 0;
	bool		isnull;

	for (int i = 0; i < n; i++)
	{
		if (accounts[i]->is_new || accounts[i]->moved)
			continue;
		columns[nthere] = Int32GetDatum(accounts[i]->watch->watch_no);
		columns[n + nthere] = meter_spi_text(accounts[i]->key, &isnull);
		columns[2 * n + nthere] = TimestampTzGetDatum(accounts[i]->window_start);
		there[nthere++] = accounts[i];
	}
	if (nthere == 0)
		return;
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_array(columns, NULL, nthere, INT4OID);
	values[2] = meter_spi_array(columns + n, NULL, nthere, TEXTOID);
	values[3] = meter_spi_array(columns + 2 * n, NULL, nthere, TIMESTAMPTZOID);
	meter_spi_execute(&statement, values, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
		meter_account_read(there[DatumGetInt64(meter_spi_value(row, 1, &isnull)) - 1], row, 2);
	SPI_freetuptable(SPI_tuptable);
}

/* Take the rows; see threshold_private.h. */
void
meter_account_take(const pg_uuid_t *organization, MeterAccount **accounts, int n)
{
	if (n == 0 || (n == 1 && !accounts[0]->has_ahead && meter_account_look(organization, accounts[0], true)))
		return;
	insert_rows(organization, accounts, n);
	read_rows(organization, accounts, n);
}

/* What is fired, packed; null where nothing is. */
static Datum
fired_datum(const MeterAccount *account, bool *isnull)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < account->watch->nthresholds; i++)
	{
		if (account->fired[i].n > 0)
			meter_fired_pack(&buf, account->watch->thresholds[i].threshold_no, &account->fired[i]);
	}
	*isnull = buf.len == 0;
	return PointerGetDatum(cstring_to_text_with_len(buf.data, buf.len));
}

static Datum
state_datum(const MeterAccount *account, bool *isnull)
{
	StringInfoData buf;

	*isnull = account->state == NULL;
	if (*isnull)
		return (Datum) 0;
	initStringInfo(&buf);
	meter_state_pack(account->state, &buf);
	return PointerGetDatum(cstring_to_text_with_len(buf.data, buf.len));
}

#define WRITTEN 6

/* The columns that change of a row, and its place before them; one behind the
 * other, stride apart. */
static void
row_values(MeterAccount *account, Datum *values, bool *nulls, int stride)
{
	values[0] = PointerGetDatum(&account->place);
	values[stride] = TimestampTzGetDatum(account->window_end);
	nulls[2 * stride] = !account->has_value;
	values[2 * stride] = account->has_value ?
		NumericGetDatum(meter_decimal_to_numeric(&account->value)) : (Datum) 0;
	values[3 * stride] = state_datum(account, &nulls[3 * stride]);
	values[4 * stride] = fired_datum(account, &nulls[4 * stride]);
	values[5 * stride] = NumericGetDatum(meter_decimal_to_numeric(&account->reserved));
	values[6 * stride] = TimestampTzGetDatum(account->reserved_until);
	nulls[6 * stride] = account->reserved_until == DT_NOEND;
}

/* Write one row. */
static void
write_row(MeterAccount *account)
{
	static MeterStatement statement = {
		"UPDATE meter.threshold_usage AS t SET window_end = $2, value = $3, state = $4, fired = $5,"
		" reserved = $6, reserved_until = $7 WHERE t.ctid = $1",
		WRITTEN + 1, {TIDOID, TIMESTAMPTZOID, NUMERICOID, BYTEAOID, BYTEAOID, NUMERICOID, TIMESTAMPTZOID}
	};
	Datum		values[WRITTEN + 1];
	bool		isnull[WRITTEN + 1] = {false};
	char		nulls[WRITTEN + 1];

	row_values(account, values, isnull, 1);
	for (int i = 0; i <= WRITTEN; i++)
		nulls[i] = isnull[i] ? 'n' : ' ';
	meter_spi_execute(&statement, values, nulls, false);
}

/* Write the rows; see threshold_private.h.  They are locked, so they are where
 * they were read. */
void
meter_account_write(const pg_uuid_t *organization, MeterAccount **accounts, int n)
{
	static MeterStatement statement = {
		"UPDATE meter.threshold_usage AS t SET window_end = u.window_end, value = u.value, state = u.state,"
		" fired = u.fired, reserved = u.reserved, reserved_until = u.reserved_until"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),"
		" pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7))"
		" AS u(place, window_end, value, state, fired, reserved, reserved_until)"
		" WHERE t.ctid = u.place",
		WRITTEN + 1, {TIDARRAYOID, TIMESTAMPTZARRAYOID, NUMERICARRAYOID, BYTEAARRAYOID, BYTEAARRAYOID,
		NUMERICARRAYOID, TIMESTAMPTZARRAYOID}
	};
	static const Oid types[] = {TIDOID, TIMESTAMPTZOID, NUMERICOID, BYTEAOID, BYTEAOID, NUMERICOID, TIMESTAMPTZOID};
	Datum	   *columns;
	bool	   *nulls;
	Datum		values[WRITTEN + 1];

	if (n == 1)
		write_row(accounts[0]);
	if (n <= 1)
		return;
	columns = palloc_extended((WRITTEN + 1) * n * sizeof(Datum), MCXT_ALLOC_HUGE);
	nulls = palloc_extended((WRITTEN + 1) * n * sizeof(bool), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < n; i++)
		row_values(accounts[i], columns + i, nulls + i, n);
	for (int c = 0; c <= WRITTEN; c++)
		values[c] = meter_spi_array(columns + c * n, nulls + c * n, n, types[c]);
	meter_spi_execute(&statement, values, NULL, false);
}
