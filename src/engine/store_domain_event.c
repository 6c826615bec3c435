/*
 * store_domain_event.c
 *		The outbox, as those see it who cause domain events.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

/* Write domain events; see store.h. */
void
meter_domain_event_append(const pg_uuid_t *organization, TimestampTz occurred_at,
						  const MeterDomainEvent *events, int n)
{
	static MeterInsert insert = {
		.table = "meter.domain_event_outbox", .tail = "",
		.nfixed = 2, .ncolumns = 6, .columns = {
			{"organization_id", UUIDOID}, {"occurred_at", TIMESTAMPTZOID}, {"aggregate_type", TEXTOID},
			{"aggregate_id", TEXTOID}, {"event_type", TEXTOID}, {"payload", TEXTOID, "::jsonb"}
		}
	};
	MemoryContext context;
	MemoryContext old;
	Datum	   *columns;
	Datum		fixed[2];
	bool		isnull;

	if (n == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "meter domain events", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	columns = palloc(4 * (Size) n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		columns[i] = CStringGetTextDatum(events[i].aggregate_type);
		columns[n + i] = CStringGetTextDatum(events[i].aggregate_id);
		columns[2 * n + i] = CStringGetTextDatum(events[i].event_type);
		columns[3 * n + i] = meter_spi_text(events[i].payload, &isnull);
	}
	fixed[0] = UUIDPGetDatum(organization);
	fixed[1] = TimestampTzGetDatum(occurred_at);
	meter_spi_insert(&insert, fixed, columns, NULL, n);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
