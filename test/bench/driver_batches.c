/*
 * driver_batches.c
 *		Files of events, sent in batches by turns.
 *
 * A rival sends either one COPY for so many rows of its file, or one execution
 * of its prepared statement for each line of it.  Reading the file and
 * collecting the rows happens between the clock's readings.
 */
#include "driver.h"

/* One competitor of "driver batches". */
typedef struct BatchRival
{
	const char *name;
	bool		copy;			/* COPY rows, or else a statement a line */
	long		per;			/* events a statement */
	const char *sql;
	FILE	   *file;
	PGconn	   *connection;
	long		events;			/* done so far */
	double		wal_bytes;
	bool		finished;
	Durations	statements;
	Durations	slices;			/* seconds an event, of each slice */
} BatchRival;

/* The server's WAL position in bytes. */
static double
wal_position(PGconn *connection)
{
	PGresult   *result = PQexec(connection, "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')");
	double		position;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail("WAL position", PQerrorMessage(connection));
	position = strtod(PQgetvalue(result, 0, 0), NULL);
	PQclear(result);
	return position;
}

/* Send one COPY of up to rival->per rows; false at the end of the file. */
static bool
send_copy(BatchRival *rival)
{
	static char *rows = NULL;
	static size_t room = 0;
	char	   *line = NULL;
	size_t		line_room = 0;
	ssize_t		length;
	size_t		used = 0;
	long		count = 0;
	double		start;

	while (count < rival->per && (length = getline(&line, &line_room, rival->file)) > 0)
	{
		if (used + (size_t) length > room)
		{
			room = (used + (size_t) length) * 2;
			rows = realloc(rows, room);
			if (rows == NULL)
				fail("rows", "out of memory");
		}
		memcpy(rows + used, line, (size_t) length);
		used += (size_t) length;
		count++;
	}
	free(line);
	if (count == 0)
		return false;

	start = now_seconds();
	PQclear(PQexec(rival->connection, rival->sql));
	if (PQputCopyData(rival->connection, rows, (int) used) != 1 ||
		PQputCopyEnd(rival->connection, NULL) != 1)
		fail("COPY", PQerrorMessage(rival->connection));
	finish_result(rival->connection, PQgetResult(rival->connection));
	durations_add(&rival->statements, now_seconds() - start);
	while (PQgetResult(rival->connection) != NULL)
		;
	rival->events += count;
	return true;
}

/* Send the next line of the file as $1 of the statement; false at its end. */
static bool
send_line(BatchRival *rival)
{
	char	   *line = NULL;
	size_t		room = 0;
	ssize_t		length = getline(&line, &room, rival->file);
	const char *values[1];
	double		start;

	if (length <= 0)
	{
		free(line);
		return false;
	}
	line[length - 1] = '\0';
	values[0] = line;

	start = now_seconds();
	finish_result(rival->connection,
				  PQexecPrepared(rival->connection, STATEMENT, 1, values, NULL, NULL, 0));
	durations_add(&rival->statements, now_seconds() - start);
	free(line);
	rival->events += rival->per;
	return true;
}

/* Give a rival its turn: a slice of so many events. */
static void
run_slice(BatchRival *rival, long slice)
{
	double		wal_before = wal_position(rival->connection);
	size_t		first = rival->statements.count;
	long		events_before = rival->events;
	double		seconds = 0;

	while (!rival->finished && rival->events - events_before < slice)
		rival->finished = !(rival->copy ? send_copy(rival) : send_line(rival));
	for (size_t i = first; i < rival->statements.count; i++)
		seconds += rival->statements.values[i];
	if (rival->events > events_before)
		durations_add(&rival->slices, seconds / (double) (rival->events - events_before));
	rival->wal_bytes += wal_position(rival->connection) - wal_before;
}

/*
 * Send files of batches, a slice to each rival in turn.  Fields: name, events,
 * mean and median µs an event, p50 and p99 ms a statement, WAL bytes an event.
 */
void
command_batches(char **arguments)
{
	long		slice = number_option(&arguments, "--slice");
	int			count = count_rivals(arguments, 6);
	BatchRival *rivals = calloc((size_t) count, sizeof(BatchRival));
	bool		busy = true;

	for (int i = 0; i < count; i++, arguments += 6)
	{
		BatchRival *rival = &rivals[i];

		rival->name = arguments[0];
		rival->copy = strcmp(arguments[1], "copy") == 0;
		rival->connection = open_connection(arguments[2]);
		rival->per = strtol(arguments[3], NULL, 10);
		rival->file = fopen(arguments[4], "r");
		rival->sql = arguments[5];
		if (rival->file == NULL || rival->per < 1)
			fail(rival->name, "no such file, or not a number of events");
		if (!rival->copy)
			finish_result(rival->connection,
						  PQprepare(rival->connection, STATEMENT, rival->sql, 1, NULL));
	}

	while (busy)
	{
		busy = false;
		for (int i = 0; i < count; i++)
		{
			if (!rivals[i].finished)
				run_slice(&rivals[i], slice);
			busy = busy || !rivals[i].finished;
		}
	}

	for (int i = 0; i < count; i++)
	{
		BatchRival *rival = &rivals[i];

		printf("%s\t%ld\t%.3f\t%.3f\t%.3f\t%.3f\t%.0f\n", rival->name, rival->events,
			   durations_sum(&rival->statements) / (double) rival->events * 1e6,
			   durations_quantile(&rival->slices, 0.5) * 1e6,
			   durations_quantile(&rival->statements, 0.5) * 1e3,
			   durations_quantile(&rival->statements, 0.99) * 1e3,
			   rival->wal_bytes / (double) rival->events);
		PQfinish(rival->connection);
	}
}

