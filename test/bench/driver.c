/*
 * driver.c
 *		Sends the same work to several rivals by turns and times them.
 *
 *	driver batches --slice EVENTS   {NAME KIND DATABASE PER FILE SQL}...
 *	driver calls   --clients N --seconds N --rounds N --subjects N --hold-us N --meter NAME
 *					{NAME DATABASE SQL}...
 *	driver queries --repeats N      {NAME DATABASE SETUP SQL}...
 *
 * A machine is never equally fast for minutes, so rivals are not measured one
 * after the other: they take turns in short slices within one run, and what is
 * reported are figures whose ratio may be trusted even where each alone may
 * not.  Each rival has connections and, as a rule, a database of its own, so
 * that indexes grow as they would alone.
 *
 * Time is the client's: from before a statement is sent, with its parameters,
 * until its result is complete, commit included.  Reading the input files
 * falls outside of it.  The output is one line of tab-separated fields a
 * rival; the connection is described by libpq's environment variables.
 */
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define STATEMENT "bench"

/* A growing list of durations, in seconds. */
typedef struct Durations
{
	double	   *values;
	size_t		count;
	size_t		room;
} Durations;

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

/* What all clients of "driver calls" have in common. */
typedef struct CallPlan
{
	int			clients;
	int			subjects;
	long		hold_us;		/* how long the transaction stays open; 0: no block */
	const char *meter;
	double		deadline;
} CallPlan;

/* One client of one competitor of "driver calls". */
typedef struct CallClient
{
	const CallPlan *plan;
	PGconn	   *connection;
	unsigned short random[3];
	long		calls;			/* in this round */
	Durations	latencies;		/* of all rounds */
} CallClient;

/* Report a failure and leave; a benchmark has nothing to clean up. */
static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "driver: %s: %s\n", what, why);
	exit(1);
}

/* Seconds on a clock that never jumps. */
static double
now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Add a duration to a list. */
static void
durations_add(Durations *list, double value)
{
	if (list->count == list->room)
	{
		list->room = list->room == 0 ? 1024 : list->room * 2;
		list->values = realloc(list->values, list->room * sizeof(double));
		if (list->values == NULL)
			fail("durations", "out of memory");
	}
	list->values[list->count++] = value;
}

/* qsort order of doubles. */
static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* The value below which the given share of a list lies; sorts the list. */
static double
durations_quantile(Durations *list, double share)
{
	if (list->count == 0)
		return NAN;
	qsort(list->values, list->count, sizeof(double), compare_doubles);
	return list->values[(size_t) (share * (double) (list->count - 1) + 0.5)];
}

/* The sum of a list. */
static double
durations_sum(const Durations *list)
{
	double		sum = 0;

	for (size_t i = 0; i < list->count; i++)
		sum += list->values[i];
	return sum;
}

/* Open a connection to a database. */
static PGconn *
open_connection(const char *database)
{
	const char *const keywords[] = {"dbname", "application_name", NULL};
	const char *const values[] = {database, "meter bench", NULL};
	PGconn	   *connection = PQconnectdbParams(keywords, values, 0);

	if (PQstatus(connection) != CONNECTION_OK)
		fail(database, PQerrorMessage(connection));
	return connection;
}

/* Check that a statement ended well, and release its result. */
static void
finish_result(PGconn *connection, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fail("statement failed", PQerrorMessage(connection));
	PQclear(result);
}

/* Run a statement whose result does not matter. */
static void
execute(PGconn *connection, const char *sql)
{
	finish_result(connection, PQexec(connection, sql));
}

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

/* The number behind an option, which must be the next one on the command line. */
static long
number_option(char ***arguments, const char *name)
{
	long		number;

	if ((*arguments)[0] == NULL || strcmp((*arguments)[0], name) != 0 || (*arguments)[1] == NULL)
		fail("expected option", name);
	number = strtol((*arguments)[1], NULL, 10);
	*arguments += 2;
	return number;
}

/* How many groups of so many arguments are left. */
static int
count_rivals(char **arguments, int fields)
{
	int			count = 0;

	while (arguments[count] != NULL)
		count++;
	if (count == 0 || count % fields != 0)
		fail("rivals", "wrong number of arguments");
	return count / fields;
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
static void
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

/* Make one report, with a key that was never used, and wait for its commit. */
static void
make_call(CallClient *client)
{
	const CallPlan *plan = client->plan;
	char		report[200];
	char		key[40];
	const char *values[2] = {report, key};
	double		start;

	snprintf(report, sizeof(report),
			 "{\"value\":%ld.%03ld,\"customerId\":\"customer-%05ld\",\"meterName\":\"%s\",\"metadata\":{\"model\":\"small\"}}",
			 nrand48(client->random) % 1000, nrand48(client->random) % 1000,
			 nrand48(client->random) % plan->subjects, plan->meter);
	snprintf(key, sizeof(key), "%08lx-%08lx-%08lx-%08lx",
			 nrand48(client->random), nrand48(client->random),
			 nrand48(client->random), nrand48(client->random));

	start = now_seconds();
	if (plan->hold_us > 0)
		execute(client->connection, "BEGIN");
	finish_result(client->connection,
				  PQexecPrepared(client->connection, STATEMENT, 2, values, NULL, NULL, 0));
	if (plan->hold_us > 0)
	{
		usleep((useconds_t) plan->hold_us);
		execute(client->connection, "COMMIT");
	}
	durations_add(&client->latencies, now_seconds() - start);
	client->calls++;
}

/* A client's thread: calls until the deadline. */
static void *
run_client(void *argument)
{
	CallClient *client = argument;

	while (now_seconds() < client->plan->deadline)
		make_call(client);
	return NULL;
}

/* Let a rival's clients call for some seconds; the calls a second. */
static double
run_round(CallClient *clients, CallPlan *plan, double seconds)
{
	pthread_t  *threads = calloc((size_t) plan->clients, sizeof(pthread_t));
	double		start = now_seconds();
	long		calls = 0;

	plan->deadline = start + seconds;
	for (int i = 0; i < plan->clients; i++)
	{
		clients[i].calls = 0;
		if (pthread_create(&threads[i], NULL, run_client, &clients[i]) != 0)
			fail("thread", "cannot be started");
	}
	for (int i = 0; i < plan->clients; i++)
	{
		pthread_join(threads[i], NULL);
		calls += clients[i].calls;
	}
	free(threads);
	return (double) calls / (now_seconds() - start);
}

/* Open the clients of one rival, each with its statement prepared. */
static CallClient *
open_clients(const CallPlan *plan, const char *database, const char *sql)
{
	CallClient *clients = calloc((size_t) plan->clients, sizeof(CallClient));

	for (int i = 0; i < plan->clients; i++)
	{
		uint64_t	seed = (uint64_t) (now_seconds() * 1e9) + (uint64_t) getpid();

		clients[i].plan = plan;
		clients[i].connection = open_connection(database);
		memcpy(clients[i].random, &seed, sizeof(clients[i].random));
		finish_result(clients[i].connection,
					  PQprepare(clients[i].connection, STATEMENT, sql, 2, NULL));
	}
	return clients;
}

/*
 * Make single reports from many clients, a round for each rival in turn.
 * Fields: name, median of the rounds' calls a second, p50 and p99 ms a call.
 */
static void
command_calls(char **arguments)
{
	CallPlan	plan = {.clients = (int) number_option(&arguments, "--clients")};
	double		seconds = (double) number_option(&arguments, "--seconds");
	long		rounds = number_option(&arguments, "--rounds");
	int			count;
	CallClient **rivals;
	Durations  *rates;

	plan.subjects = (int) number_option(&arguments, "--subjects");
	plan.hold_us = number_option(&arguments, "--hold-us");
	if (arguments[0] == NULL || strcmp(arguments[0], "--meter") != 0 || arguments[1] == NULL)
		fail("expected option", "--meter");
	plan.meter = arguments[1];
	arguments += 2;

	count = count_rivals(arguments, 3);
	rivals = calloc((size_t) count, sizeof(CallClient *));
	rates = calloc((size_t) count, sizeof(Durations));
	for (int i = 0; i < count; i++)
		rivals[i] = open_clients(&plan, arguments[i * 3 + 1], arguments[i * 3 + 2]);

	for (long round = 0; round < rounds; round++)
		for (int i = 0; i < count; i++)
			durations_add(&rates[i], run_round(rivals[i], &plan, seconds));

	for (int i = 0; i < count; i++)
	{
		Durations	all = {0};

		for (int j = 0; j < plan.clients; j++)
			for (size_t k = 0; k < rivals[i][j].latencies.count; k++)
				durations_add(&all, rivals[i][j].latencies.values[k]);
		printf("%s\t%.1f\t%.3f\t%.3f\n", arguments[i * 3],
			   durations_quantile(&rates[i], 0.5),
			   durations_quantile(&all, 0.5) * 1e3, durations_quantile(&all, 0.99) * 1e3);
	}
}

/*
 * Run single queries by turns.  Fields: name, median and p99 ms, and the first
 * value of the result, so that equal answers can be told from fast ones.
 */
static void
command_queries(char **arguments)
{
	long		repeats = number_option(&arguments, "--repeats");
	int			count = count_rivals(arguments, 4);
	PGconn	  **connections = calloc((size_t) count, sizeof(PGconn *));
	Durations  *times = calloc((size_t) count, sizeof(Durations));
	char	  **answers = calloc((size_t) count, sizeof(char *));

	for (int i = 0; i < count; i++)
	{
		connections[i] = open_connection(arguments[i * 4 + 1]);
		execute(connections[i], arguments[i * 4 + 2]);
	}

	/* The first turn warms caches and is not counted. */
	for (long turn = 0; turn <= repeats; turn++)
		for (int i = 0; i < count; i++)
		{
			double		start = now_seconds();
			PGresult   *result = PQexec(connections[i], arguments[i * 4 + 3]);

			if (turn > 0)
				durations_add(&times[i], now_seconds() - start);
			else if (PQntuples(result) > 0)
				answers[i] = strdup(PQgetvalue(result, 0, 0));
			finish_result(connections[i], result);
		}

	for (int i = 0; i < count; i++)
		printf("%s\t%.3f\t%.3f\t%s\n", arguments[i * 4],
			   durations_quantile(&times[i], 0.5) * 1e3,
			   durations_quantile(&times[i], 0.99) * 1e3,
			   answers[i] == NULL ? "" : answers[i]);
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "batches") == 0)
		command_batches(argv + 2);
	else if (argc > 2 && strcmp(argv[1], "calls") == 0)
		command_calls(argv + 2);
	else if (argc > 2 && strcmp(argv[1], "queries") == 0)
		command_queries(argv + 2);
	else
		fail("usage", "driver batches|calls|queries OPTIONS RIVALS, as the head of driver.c says");
	return 0;
}
