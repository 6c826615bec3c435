/*
 * threshold_scope.c
 *		Whose a subject is, and by which subscriptions it is billed.
 */
#include "engine/threshold_private.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

static MeterText
copy_text(MeterText text)
{
	return text.data ? (MeterText) {pnstrdup(text.data, text.len), text.len} : text;
}

/* A text[] column. */
static const char **
get_texts(uint64 row, int column, int *n)
{
	Datum	   *values;
	const char **texts;
	bool		isnull;
	Datum		array = meter_spi_value(row, column, &isnull);

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &values, NULL, n);
	texts = palloc(Max(*n, 1) * sizeof(char *));
	for (int i = 0; i < *n; i++)
		texts[i] = TextDatumGetCString(values[i]);
	return texts;
}

/* The subscription in a row of the owners' query. */
static MeterHolding
get_holding(uint64 row)
{
	MeterHolding holding = {0};
	bool		isnull;

	holding.id = *DatumGetUUIDP(meter_spi_value(row, 4, &isnull));
	holding.id_text = TextDatumGetCString(meter_spi_value(row, 5, &isnull));
	holding.from = DatumGetTimestampTz(meter_spi_value(row, 6, &isnull));
	holding.to = DatumGetTimestampTz(meter_spi_value(row, 7, &isnull));
	holding.products = get_texts(row, 8, &holding.nproducts);
	holding.window = meter_subscription_window(row, 9);
	return holding;
}

/* Find the owners; see threshold_private.h. */
MeterOwner *
meter_owners_find(const pg_uuid_t *organization, const MeterText *subjects, int n, bool read_only)
{
	/* the inner query stands alone, to be an index probe for each subject */
	static MeterStatement statement = {
		"SELECT u.n, o.* FROM pg_catalog.unnest($2) WITH ORDINALITY AS u(subject, n),"
		" LATERAL (SELECT s.customer_id,"
		" ARRAY(SELECT a.subject FROM meter.customer_subject AS a"
		" WHERE a.organization_id = $1 AND a.customer_id = s.customer_id),"
		" p.id, p.id::text, p.started_at, coalesce(p.ended_at, 'infinity'),"
		" ARRAY(SELECT h.product_id::text FROM meter.subscription_product AS h"
		" WHERE h.organization_id = $1 AND h.subscription_id = p.id),"
		" p.anchor, p.period_size, p.period_count, p.time_zone"
		" FROM meter.customer_subject AS s"
		" LEFT JOIN meter.subscription AS p ON p.organization_id = s.organization_id AND p.customer_id = s.customer_id"
		" WHERE s.organization_id = $1 AND s.subject = u.subject"
		" ORDER BY p.started_at, p.id OFFSET 0) AS o",
		2, {UUIDOID, TEXTARRAYOID}
	};
	MeterOwner *owners = palloc0(Max(n, 1) * sizeof(MeterOwner));
	Datum	   *texts = palloc_extended(Max(n, 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	bool	   *nulls = palloc(Max(n, 1) * sizeof(bool));
	Datum		values[2];

	for (int i = 0; i < n; i++)
	{
		texts[i] = meter_spi_text(subjects[i], &nulls[i]);
		owners[i].subject = subjects[i];
	}
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_array(texts, nulls, n, TEXTOID);
	meter_spi_execute(&statement, values, NULL, read_only);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		MeterOwner *owner = &owners[DatumGetInt64(meter_spi_value(row, 1, &isnull)) - 1];

		if (owner->customer.data == NULL)
		{
			owner->customer = copy_text(meter_spi_get_text(row, 2));
			owner->names = get_texts(row, 3, &owner->nnames);
		}
		(void) meter_spi_value(row, 4, &isnull);
		if (isnull)
			continue;
		owner->holdings = owner->holdings == NULL ? palloc(sizeof(MeterHolding)) :
			repalloc(owner->holdings, (owner->nholdings + 1) * sizeof(MeterHolding));
		owner->holdings[owner->nholdings++] = get_holding(row);
	}
	SPI_freetuptable(SPI_tuptable);
	for (int i = 0; i < n; i++)
	{
		if (owners[i].customer.data || subjects[i].data == NULL)
			continue;
		owners[i].names = palloc(sizeof(char *));
		owners[i].names[owners[i].nnames++] = pnstrdup(subjects[i].data, subjects[i].len);
	}
	return owners;
}

/* The window that holds t, as far as it lies in a piece of time. */
static MeterInterval
clipped(const MeterWindow *window, TimestampTz t, TimestampTz from, TimestampTz to)
{
	MeterInterval result;

	meter_window_bounds(window, t, &result.from, &result.to);
	return (MeterInterval) {Max(result.from, from), Min(result.to, to)};
}

/*
 * The billing period that holds t; see threshold_private.h.  Pieces of time as
 * meter_customer_periods() makes them: the first subscription to start has all
 * until its end, later ones get what is left.
 */
MeterInterval
meter_owner_period(const MeterOwner *owner, const MeterWindow *rest, TimestampTz t)
{
	TimestampTz at = DT_NOBEGIN;

	for (int i = 0; owner && i < owner->nholdings; i++)
	{
		const MeterHolding *holding = &owner->holdings[i];

		if (holding->to <= Max(at, holding->from))
			continue;
		if (t < holding->from)
			return clipped(rest, t, at, holding->from);
		at = Max(at, holding->from);
		if (t < holding->to)
			return clipped(&holding->window, t, at, holding->to);
		at = holding->to;
	}
	return clipped(rest, t, at, DT_NOEND);
}
