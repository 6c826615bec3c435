/*
 * store_reservation.c
 *		Reservations, and what they hold of which account.
 *
 * What is held of an account is changed only by who has its row in
 * meter.threshold_usage, which says the sum: so the two agree under any snapshot,
 * but for what has expired, which is let go of by the next one who has the row.
 */
#include "engine/threshold_private.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

#define HOLD_CONDITION \
	"h.organization_id = $1 AND h.watch_no = $2 AND h.account = $3 AND h.window_start = $4"

/* Copy a text of a row. */
static MeterText
get_text(uint64 row, int column)
{
	MeterText	text = meter_spi_get_text(row, column);

	return text.data ? (MeterText) {pnstrdup(text.data, text.len), text.len} : text;
}

/* Copy a numeric of a row, NULL for null. */
static Numeric
get_numeric(uint64 row, int column)
{
	bool		isnull;
	Datum		value = meter_spi_value(row, column, &isnull);

	return isnull ? NULL : (Numeric) PG_DETOAST_DATUM_COPY(value);
}

/* Whose reservation it is; see quota.h. */
bool
meter_reservation_find(const pg_uuid_t *id, pg_uuid_t *organization)
{
	static MeterStatement statement = {
		"SELECT r.organization_id FROM meter.reservation AS r WHERE r.id = $1", 1, {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(id);
	bool		found;
	bool		isnull;

	meter_spi_execute(&statement, &value, NULL, false);
	found = SPI_processed > 0;
	if (found)
		*organization = *DatumGetUUIDP(meter_spi_value(0, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* Lock and read a reservation; see quota.h. */
bool
meter_reservation_take(MeterReservation *reservation)
{
	static MeterStatement statement = {
		"SELECT r.meter_id, r.subject, r.dimensions::text, r.currency, r.quantity, r.reserved_at, r.expires_at,"
		" r.settled_at, r.actual"
		" FROM meter.reservation AS r WHERE r.organization_id = $1 AND r.id = $2 FOR UPDATE",
		2, {UUIDOID, UUIDOID}
	};
	Datum		values[2] = {UUIDPGetDatum(&reservation->organization), UUIDPGetDatum(&reservation->id)};
	bool		found;
	bool		isnull;

	meter_spi_execute(&statement, values, NULL, false);
	found = SPI_processed > 0;
	if (found)
	{
		reservation->meter_id = *DatumGetUUIDP(meter_spi_value(0, 1, &isnull));
		reservation->subject = get_text(0, 2);
		reservation->dimensions = get_text(0, 3);
		reservation->currency = get_text(0, 4);
		reservation->quantity = get_numeric(0, 5);
		reservation->reserved_at = DatumGetTimestampTz(meter_spi_value(0, 6, &isnull));
		reservation->expires_at = DatumGetTimestampTz(meter_spi_value(0, 7, &isnull));
		(void) meter_spi_value(0, 8, &isnull);
		reservation->settled = !isnull;
		reservation->actual = get_numeric(0, 9);
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* Write that it is settled; see quota.h. */
void
meter_reservation_settle(const MeterReservation *reservation, Numeric actual)
{
	static MeterStatement statement = {
		"UPDATE meter.reservation AS r SET settled_at = $3, actual = $4"
		" WHERE r.organization_id = $1 AND r.id = $2",
		4, {UUIDOID, UUIDOID, TIMESTAMPTZOID, NUMERICOID}
	};
	Datum		values[4] = {
		UUIDPGetDatum(&reservation->organization), UUIDPGetDatum(&reservation->id),
		TimestampTzGetDatum(GetCurrentTimestamp()), NumericGetDatum(actual)
	};

	meter_spi_execute(&statement, values, NULL, false);
}

/* Write a reservation; see threshold_private.h. */
void
meter_reservation_insert(const MeterReservation *reservation)
{
	static MeterStatement statement = {
		"INSERT INTO meter.reservation (organization_id, id, meter_id, subject, dimensions, currency, quantity,"
		" reserved_at, expires_at) VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9)",
		9, {UUIDOID, UUIDOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID, NUMERICOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[9];
	bool		isnull[9] = {false};
	char		nulls[9];

	values[0] = UUIDPGetDatum(&reservation->organization);
	values[1] = UUIDPGetDatum(&reservation->id);
	values[2] = UUIDPGetDatum(&reservation->meter_id);
	values[3] = meter_spi_text(reservation->subject, &isnull[3]);
	values[4] = meter_spi_text(reservation->dimensions, &isnull[4]);
	values[5] = meter_spi_text(reservation->currency, &isnull[5]);
	values[6] = NumericGetDatum(reservation->quantity);
	values[7] = TimestampTzGetDatum(reservation->reserved_at);
	values[8] = TimestampTzGetDatum(reservation->expires_at);
	for (int i = 0; i < lengthof(nulls); i++)
		nulls[i] = isnull[i] ? 'n' : ' ';
	meter_spi_execute(&statement, values, nulls, false);
}

/* Write what a reservation holds; see threshold_private.h. */
void
meter_hold_insert(const MeterReservation *reservation, const MeterDecimal *amount,
				  MeterAccount **accounts, int n)
{
	static MeterInsert insert = {
		"meter.reservation_hold", "", 4, 7,
		{
			{"organization_id", UUIDOID}, {"reservation_id", UUIDOID}, {"quantity", NUMERICOID},
			{"expires_at", TIMESTAMPTZOID}, {"watch_no", INT4OID}, {"account", TEXTOID},
			{"window_start", TIMESTAMPTZOID}
		}
	};
	Datum		fixed[4];
	Datum	   *columns = palloc(3 * n * sizeof(Datum));
	bool		isnull;

	fixed[0] = UUIDPGetDatum(&reservation->organization);
	fixed[1] = UUIDPGetDatum(&reservation->id);
	fixed[2] = NumericGetDatum(meter_decimal_to_numeric(amount));
	fixed[3] = TimestampTzGetDatum(reservation->expires_at);
	for (int i = 0; i < n; i++)
	{
		columns[i] = Int32GetDatum(accounts[i]->watch->watch_no);
		columns[n + i] = meter_spi_text(accounts[i]->key, &isnull);
		columns[2 * n + i] = TimestampTzGetDatum(accounts[i]->window_start);
	}
	meter_spi_insert(&insert, fixed, columns, NULL, n);
}

/* The meter's watch of a number, or NULL. */
static const MeterWatch *
find_watch(const MeterEntry *meter, int32 watch_no)
{
	for (int w = 0; w < meter->nwatches; w++)
	{
		if (meter->watches[w]->watch_no == watch_no)
			return meter->watches[w];
	}
	return NULL;
}

static TimestampTz
get_time(uint64 row, int column)
{
	bool		isnull;

	return DatumGetTimestampTz(meter_spi_value(row, column, &isnull));
}

/* The account that a row of meter_hold_accounts() tells of. */
static MeterAccount
get_account(const MeterEntry *meter, const MeterWatch *watch, uint64 row)
{
	bool		isnull;
	MeterAccount account = {
		.meter = meter, .watch = watch, .key = get_text(row, 2), .subject = get_text(row, 5),
		.currency = get_text(row, 6), .dimensions = get_text(row, 7),
		.by_customer = watch->scope != METER_SCOPE_SUBJECT && watch->scope != METER_SCOPE_METER,
		.reserved = meter_decimal_zero, .reserved_until = DT_NOEND, .freed = meter_decimal_zero, .is_new = true
	};
	Datum		subscription = meter_spi_value(row, 8, &isnull);

	account.window_start = account.from = get_time(row, 3);
	account.window_end = account.to = get_time(row, 4);
	account.by_subscription = !isnull;
	if (account.by_subscription)
	{
		account.subscription_id = *DatumGetUUIDP(subscription);
		account.from = Max(account.from, get_time(row, 9));
		account.to = Min(account.to, get_time(row, 10));
	}
	account.plan = meter_entry_version(meter, account.window_start);
	if (account.plan == NULL)
		account.plan = meter->versions[meter->nversions - 1];
	return account;
}

/* Enter the accounts of which a reservation holds something; see
 * threshold_private.h. */
void
meter_hold_accounts(const pg_uuid_t *organization, const MeterSettlement *settlement, MeterAccounts *set)
{
	static MeterStatement statement = {
		"SELECT h.watch_no, h.account, h.window_start, u.window_end, u.subject, u.currency, u.dimensions,"
		" u.subscription_id, coalesce(s.started_at, '-infinity'), coalesce(s.ended_at, 'infinity')"
		" FROM meter.reservation_hold AS h JOIN meter.threshold_usage AS u ON u.organization_id = h.organization_id"
		" AND u.watch_no = h.watch_no AND u.account = h.account AND u.window_start = h.window_start"
		" LEFT JOIN meter.subscription AS s ON s.organization_id = u.organization_id AND s.id = u.subscription_id"
		" WHERE h.organization_id = $1 AND h.reservation_id = $2",
		2, {UUIDOID, UUIDOID}
	};
	Datum		values[2] = {UUIDPGetDatum(organization), UUIDPGetDatum(&settlement->reservation)};
	bool		isnull;

	meter_spi_execute(&statement, values, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		const MeterWatch *watch = find_watch(settlement->meter, DatumGetInt32(meter_spi_value(row, 1, &isnull)));

		if (watch)
		{
			MeterAccount account = get_account(settlement->meter, watch, row);

			(void) meter_accounts_enter(set, &account);
		}
	}
	SPI_freetuptable(SPI_tuptable);
}

/* The account of a row: watch, key and start of the window are its first
 * columns. */
static MeterAccount *
find_account(MeterAccount **accounts, int n, uint64 row)
{
	bool		isnull;
	int32		watch_no = DatumGetInt32(meter_spi_value(row, 1, &isnull));
	MeterText	key = meter_spi_get_text(row, 2);
	TimestampTz window_start = DatumGetTimestampTz(meter_spi_value(row, 3, &isnull));

	for (int i = 0; i < n; i++)
	{
		if (accounts[i]->watch->watch_no == watch_no && accounts[i]->window_start == window_start &&
			meter_text_same(accounts[i]->key, key))
			return accounts[i];
	}
	return NULL;
}

/* A number of a row; none is zero. */
static MeterDecimal
get_decimal(uint64 row, int column)
{
	Numeric		value = get_numeric(row, column);
	MeterDecimal result = meter_decimal_zero;
	MeterError	err;

	if (value && !meter_decimal_from_numeric(value, &result, &err))
		meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "reserved usage");
	return result;
}

/*
 * Let go of what a reservation holds; see threshold_private.h.  The first of the
 * holds to end may be gone then: until reserved_until nobody minds.
 */
void
meter_hold_free(const pg_uuid_t *organization, const pg_uuid_t *reservation, MeterAccount **accounts, int n)
{
	static MeterStatement statement = {
		"DELETE FROM meter.reservation_hold AS h WHERE h.organization_id = $1 AND h.reservation_id = $2"
		" RETURNING h.watch_no, h.account, h.window_start, h.quantity",
		2, {UUIDOID, UUIDOID}
	};
	Datum		values[2] = {UUIDPGetDatum(organization), UUIDPGetDatum(reservation)};

	meter_spi_execute(&statement, values, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		MeterAccount *account = find_account(accounts, n, row);
		MeterDecimal quantity = get_decimal(row, 4);

		if (account == NULL)
			continue;
		meter_decimal_sub(&account->reserved, &quantity, &account->reserved);
		account->freed = quantity;
		account->changed = true;
		if (meter_decimal_sign(&account->reserved) == 0)
			account->reserved_until = DT_NOEND;
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Run a statement about what is held of an account at a time: $1 to $5.  It
 * gives the sum and the end of the first hold. */
static void
read_held(const pg_uuid_t *organization, MeterAccount *account, TimestampTz now,
		  MeterStatement *statement, bool read_only)
{
	Datum		values[5];
	Datum		until;
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = Int32GetDatum(account->watch->watch_no);
	values[2] = meter_spi_text(account->key, &isnull);
	values[3] = TimestampTzGetDatum(account->window_start);
	values[4] = TimestampTzGetDatum(now);
	meter_spi_execute(statement, values, NULL, read_only);
	account->reserved = get_decimal(0, 1);
	until = meter_spi_value(0, 2, &isnull);
	account->reserved_until = isnull ? DT_NOEND : DatumGetTimestampTz(until);
	SPI_freetuptable(SPI_tuptable);
}

#define STILL_HELD "SELECT pg_catalog.sum(h.quantity), pg_catalog.min(h.expires_at)" \
	" FROM meter.reservation_hold AS h WHERE " HOLD_CONDITION " AND h.expires_at > $5"
#define HELD_TYPES {UUIDOID, INT4OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}

/* Let go of what has expired; see threshold_private.h. */
void
meter_hold_expire(const pg_uuid_t *organization, MeterAccount *account)
{
	static MeterStatement statement = {
		"WITH gone AS (DELETE FROM meter.reservation_hold AS h WHERE " HOLD_CONDITION " AND h.expires_at <= $5) "
		STILL_HELD, 5, HELD_TYPES
	};
	TimestampTz now;

	if (account->reserved_until == DT_NOEND)
		return;
	now = GetCurrentTimestamp();
	if (account->reserved_until > now)
		return;
	read_held(organization, account, now, &statement, false);
	account->changed = true;
}

/* As though what has expired had been let go of; see threshold_private.h. */
void
meter_hold_ignore_expired(const pg_uuid_t *organization, MeterAccount *account)
{
	static MeterStatement statement = {STILL_HELD, 5, HELD_TYPES};
	TimestampTz now = GetCurrentTimestamp();

	if (account->reserved_until <= now)
		read_held(organization, account, now, &statement, true);
}
