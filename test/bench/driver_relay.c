/*
 * driver_relay.c
 *		A relay of domain events that delivers them to nobody.
 *
 * It claims events in batches and acknowledges them, each in a transaction of
 * its own as a relay must, until there are none.
 */
#include "driver.h"

/* Run a prepared statement with one parameter. */
static PGresult *
run_prepared(PGconn *connection, const char *name, const char *value)
{
	PGresult   *result = PQexecPrepared(connection, name, 1, &value, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail(name, PQerrorMessage(connection));
	return result;
}

/* The ids of what was claimed, as an array. */
static char *
claimed_ids(const PGresult *claimed, int column)
{
	const int	count = PQntuples(claimed);
	char	   *ids = malloc((size_t) count * 21 + 3);
	char	   *at = ids;

	if (ids == NULL)
		fail("ids", "out of memory");
	for (int i = 0; i < count; i++)
		at += sprintf(at, "%c%s", i == 0 ? '{' : ',', PQgetvalue(claimed, i, column));
	strcpy(at, "}");
	return ids;
}

/*
 * Deliver all events of a database's outbox.  Fields: events, seconds, p50 and
 * p99 ms of a batch.
 */
void
command_relay(char **arguments)
{
	char		batch[24];
	PGconn	   *connection;
	Durations	batches = {0};
	long		events = 0;

	snprintf(batch, sizeof(batch), "%ld", number_option(&arguments, "--batch"));
	if (count_rivals(arguments, 1) != 1)
		fail("relay", "expected one database");
	connection = open_connection(arguments[0]);
	finish_result(connection, PQprepare(connection, "claim", "SELECT * FROM meter.outbox_claim($1, '1 minute')", 1, NULL));
	finish_result(connection, PQprepare(connection, "ack", "SELECT meter.outbox_ack($1)", 1, NULL));

	for (;;)
	{
		double		start = now_seconds();
		PGresult   *claimed = run_prepared(connection, "claim", batch);
		int			count = PQntuples(claimed);
		char	   *ids;

		if (count == 0)
			break;
		ids = claimed_ids(claimed, PQfnumber(claimed, "id"));
		PQclear(run_prepared(connection, "ack", ids));
		durations_add(&batches, now_seconds() - start);
		events += count;
		free(ids);
		PQclear(claimed);
	}
	printf("%ld\t%.3f\t%.3f\t%.3f\n", events, durations_sum(&batches),
		   durations_quantile(&batches, 0.5) * 1e3, durations_quantile(&batches, 0.99) * 1e3);
	PQfinish(connection);
}
