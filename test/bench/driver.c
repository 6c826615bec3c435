/*
 * driver.c
 *		Sends the same work to several rivals by turns and times them.
 *
 *	driver batches --slice EVENTS   {NAME KIND DATABASE PER FILE SQL}...
 *	driver calls   --clients N --seconds N --rounds N --subjects N --hold-us N --meter NAME
 *					{NAME DATABASE accepted|SQLSTATE SQL}...
 *	driver relay   --batch EVENTS   DATABASE
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
#include <time.h>

#include "driver.h"

/* Report a failure and leave; a benchmark has nothing to clean up. */
void
fail(const char *what, const char *why)
{
	fprintf(stderr, "driver: %s: %s\n", what, why);
	exit(1);
}

/* Seconds on a clock that never jumps. */
double
now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Add a duration to a list. */
void
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
double
durations_quantile(Durations *list, double share)
{
	if (list->count == 0)
		return NAN;
	qsort(list->values, list->count, sizeof(double), compare_doubles);
	return list->values[(size_t) (share * (double) (list->count - 1) + 0.5)];
}

/* The sum of a list. */
double
durations_sum(const Durations *list)
{
	double		sum = 0;

	for (size_t i = 0; i < list->count; i++)
		sum += list->values[i];
	return sum;
}

/* Open a connection to a database. */
PGconn *
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
void
finish_result(PGconn *connection, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fail("statement failed", PQerrorMessage(connection));
	PQclear(result);
}

/* Run a statement whose result does not matter. */
void
execute(PGconn *connection, const char *sql)
{
	finish_result(connection, PQexec(connection, sql));
}

/* The number behind an option, which must be the next one on the command line. */
long
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
int
count_rivals(char **arguments, int fields)
{
	int			count = 0;

	while (arguments[count] != NULL)
		count++;
	if (count == 0 || count % fields != 0)
		fail("rivals", "wrong number of arguments");
	return count / fields;
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
	else if (argc > 2 && strcmp(argv[1], "relay") == 0)
		command_relay(argv + 2);
	else if (argc > 2 && strcmp(argv[1], "queries") == 0)
		command_queries(argv + 2);
	else
		fail("usage", "driver batches|calls|relay|queries OPTIONS RIVALS, as the head of driver.c says");
	return 0;
}
