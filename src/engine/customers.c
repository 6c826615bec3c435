/*
 * customers.c
 *		Whose a subject is, and how its owner is billed.
 *
 * Events and rollups carry subjects as they came; who owns them is looked up
 * when they are read.  So a subject can be linked after its events, and linking
 * touches none of them.  Nothing is cached: each question costs one look-up,
 * and a new customer drops nobody's cache.
 */
#include "engine/customers.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

/* A copy that does not go with SPI's rows. */
static MeterText
copy_text(MeterText text)
{
	return (MeterText) {pnstrdup(text.data, text.len), text.len};
}

/* Every subject of a subject's owner; see customers.h. */
int
meter_customer_subjects(const pg_uuid_t *organization, const MeterText *subject,
						TimestampTz linked_by, MeterText **list)
{
	static MeterStatement statement = {
		"SELECT s.subject FROM meter.customer_subject AS mine"
		" JOIN meter.customer_subject AS s"
		" ON s.organization_id = mine.organization_id AND s.customer_id = mine.customer_id"
		" WHERE mine.organization_id = $1 AND mine.subject = $2"
		" AND mine.linked_at <= $3 AND s.linked_at <= $3 ORDER BY s.subject",
		3, {UUIDOID, TEXTOID, TIMESTAMPTZOID}
	};
	Datum		values[3];
	bool		isnull;
	int			n;

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_text(*subject, &isnull);
	values[2] = TimestampTzGetDatum(linked_by);
	meter_spi_execute(&statement, values, NULL, true);
	n = (int) SPI_processed;
	*list = palloc(Max(n, 1) * sizeof(MeterText));
	for (int row = 0; row < n; row++)
		(*list)[row] = copy_text(meter_spi_get_text(row, 1));
	SPI_freetuptable(SPI_tuptable);
	if (n == 0)
		(*list)[n++] = *subject;
	return n;
}

/* What the owners are called; see customers.h. */
void
meter_customer_names(const pg_uuid_t *organization, const MeterText *subjects, int n,
					 TimestampTz linked_by, bool read_only, MeterText *names)
{
	/* the inner query stands alone, to be an index probe for each subject */
	static MeterStatement statement = {
		"SELECT u.n, o.name FROM pg_catalog.unnest($2) WITH ORDINALITY AS u(subject, n),"
		" LATERAL (SELECT coalesce(c.code, c.id) AS name FROM meter.customer_subject AS s"
		" JOIN meter.customer AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id"
		" WHERE s.organization_id = $1 AND s.subject = u.subject AND s.linked_at <= $3 OFFSET 0) AS o",
		3, {UUIDOID, TEXTARRAYOID, TIMESTAMPTZOID}
	};
	Datum	   *texts = palloc_extended(Max(n, 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	bool	   *nulls = palloc(Max(n, 1) * sizeof(bool));
	Datum		values[3];

	for (int i = 0; i < n; i++)
	{
		texts[i] = meter_spi_text(subjects[i], &nulls[i]);
		names[i] = (MeterText) {NULL, 0};
	}
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_array(texts, nulls, n, TEXTOID);
	values[2] = TimestampTzGetDatum(linked_by);
	meter_spi_execute(&statement, values, NULL, read_only);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		int64		ordinal = DatumGetInt64(meter_spi_value(row, 1, &isnull));

		names[ordinal - 1] = copy_text(meter_spi_get_text(row, 2));
	}
	SPI_freetuptable(SPI_tuptable);
	pfree(texts);
	pfree(nulls);
}

/* A subscription's window; see customers.h. */
MeterWindow
meter_subscription_window(uint64 row, int column)
{
	MeterWindow window = {0};
	MeterText	size = meter_spi_get_text(row, column + 1);
	MeterText	zone = meter_spi_get_text(row, column + 3);
	bool		isnull;

	if (!meter_window_size_parse(size.data, size.len, &window.size) ||
		(window.zone = meter_window_zone(zone.data, zone.len)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the server does not know the billing period %.*s in time zone \"%.*s\"",
						size.len, size.data, zone.len, zone.data),
				 errhint("Are all time zone names of its old machine installed?")));
	window.count = DatumGetInt32(meter_spi_value(row, column + 2, &isnull));
	window.has_anchor = true;
	window.anchor = DatumGetTimestampTz(meter_spi_value(row, column, &isnull));
	return window;
}

/* The billing periods of a subject; see customers.h. */
int
meter_customer_periods(const pg_uuid_t *organization, const MeterText *subject,
					   TimestampTz from, TimestampTz to,
					   const MeterWindow *rest, MeterPeriod **list)
{
	static MeterStatement statement = {
		"SELECT p.started_at, coalesce(p.ended_at, 'infinity'), p.anchor, p.period_size, p.period_count, p.time_zone"
		" FROM meter.customer_subject AS s"
		" JOIN meter.subscription AS p ON p.organization_id = s.organization_id AND p.customer_id = s.customer_id"
		" WHERE s.organization_id = $1 AND s.subject = $2"
		" AND p.started_at < $4 AND coalesce(p.ended_at, 'infinity') > greatest($3, p.started_at)"
		" ORDER BY p.started_at, p.id",
		4, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[4];
	bool		isnull;
	MeterPeriod *periods;
	TimestampTz at = from;
	int			n = 0;

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_text(*subject, &isnull);
	values[2] = TimestampTzGetDatum(from);
	values[3] = TimestampTzGetDatum(to);
	meter_spi_execute(&statement, values, NULL, true);
	periods = palloc((2 * SPI_processed + 1) * sizeof(MeterPeriod));

	/* the first to start has all until its end: later ones get what is left */
	for (uint64 row = 0; row < SPI_processed && at < to; row++)
	{
		TimestampTz started = DatumGetTimestampTz(meter_spi_value(row, 1, &isnull));
		TimestampTz ended = Min(DatumGetTimestampTz(meter_spi_value(row, 2, &isnull)), to);

		if (ended <= at)
			continue;
		if (started > at)
		{
			periods[n++] = (MeterPeriod) {at, started, *rest};
			at = started;
		}
		periods[n++] = (MeterPeriod) {at, ended, meter_subscription_window(row, 3)};
		at = ended;
	}
	SPI_freetuptable(SPI_tuptable);
	if (at < to)
		periods[n++] = (MeterPeriod) {at, to, *rest};
	*list = periods;
	return n;
}
