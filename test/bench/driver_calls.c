/*
 * driver_calls.c
 *		Single reports from many clients at once.
 *
 * Each client is a thread with a connection of its own, opened before the
 * first round and kept.  The threads of one rival run while those of the
 * others wait, so that rivals never share the machine.
 *
 * A call is one statement, or several, as a transaction over the wire is: a
 * semicolon at the end of a line divides them.  Each is prepared; whichever has
 * parameters gets the report and the key.
 */
#include <pthread.h>
#include <unistd.h>

#include "driver.h"

#define MAX_STATEMENTS 8

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
	const char *refusal;		/* SQLSTATE that every call must fail with; NULL: none */
	int			statements;
	int			parameters[MAX_STATEMENTS];
	unsigned short random[3];
	long		calls;			/* in this round */
	Durations	latencies;		/* of all rounds */
} CallClient;

/* Check that a call ended as it must. */
static void
finish_call(const CallClient *client, PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (client->refusal == NULL)
	{
		finish_result(client->connection, result);
		return;
	}
	if (state == NULL || strcmp(state, client->refusal) != 0)
		fail("not refused", state == NULL ? "it was accepted" : PQerrorMessage(client->connection));
	PQclear(result);
}

/* The name of a call's statement on its connection. */
static const char *
statement_name(int number)
{
	static const char *const names[MAX_STATEMENTS] = {"bench0", "bench1", "bench2", "bench3", "bench4", "bench5", "bench6", "bench7"};

	return names[number];
}

/* Prepare the statements of a client's call. */
static void
prepare_call(CallClient *client, const char *sql)
{
	char	   *copy = strdup(sql);
	char	   *end;

	for (char *statement = copy; statement != NULL; statement = end)
	{
		const char *name = statement_name(client->statements);
		PGresult   *described;

		end = strstr(statement, ";\n");
		if (end != NULL)
		{
			*end = '\0';
			end += strlen(";\n");
			if (client->statements + 1 == MAX_STATEMENTS)
				fail("too many statements", sql);
		}
		finish_result(client->connection, PQprepare(client->connection, name, statement, 0, NULL));
		described = PQdescribePrepared(client->connection, name);
		client->parameters[client->statements++] = PQnparams(described);
		finish_result(client->connection, described);
	}
	free(copy);
}

/* Make one report, of more than nothing, with a key that was never used, and wait
 * for its commit. */
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
			 nrand48(client->random) % 999 + 1, nrand48(client->random) % 1000,
			 nrand48(client->random) % plan->subjects, plan->meter);
	snprintf(key, sizeof(key), "%08lx-%08lx-%08lx-%08lx",
			 nrand48(client->random), nrand48(client->random),
			 nrand48(client->random), nrand48(client->random));

	start = now_seconds();
	if (plan->hold_us > 0)
		execute(client->connection, "BEGIN");
	for (int i = 0; i < client->statements; i++)
		finish_call(client, PQexecPrepared(client->connection, statement_name(i), client->parameters[i], values, NULL, NULL, 0));
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

/* Open the clients of one rival, each with its statements prepared. */
static CallClient *
open_clients(const CallPlan *plan, const char *database, const char *outcome, const char *sql)
{
	CallClient *clients = calloc((size_t) plan->clients, sizeof(CallClient));

	for (int i = 0; i < plan->clients; i++)
	{
		uint64_t	seed = (uint64_t) (now_seconds() * 1e9) + (uint64_t) getpid();

		clients[i].plan = plan;
		clients[i].connection = open_connection(database);
		clients[i].refusal = strcmp(outcome, "accepted") == 0 ? NULL : outcome;
		memcpy(clients[i].random, &seed, sizeof(clients[i].random));
		prepare_call(&clients[i], sql);
	}
	return clients;
}

/*
 * Make single reports from many clients, a round for each rival in turn.
 * Fields: name, median of the rounds' calls a second, p50 and p99 ms a call.
 */
void
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

	count = count_rivals(arguments, 4);
	rivals = calloc((size_t) count, sizeof(CallClient *));
	rates = calloc((size_t) count, sizeof(Durations));
	for (int i = 0; i < count; i++)
		rivals[i] = open_clients(&plan, arguments[i * 4 + 1], arguments[i * 4 + 2], arguments[i * 4 + 3]);

	for (long round = 0; round < rounds; round++)
		for (int i = 0; i < count; i++)
			durations_add(&rates[i], run_round(rivals[i], &plan, seconds));

	for (int i = 0; i < count; i++)
	{
		Durations	all = {0};

		for (int j = 0; j < plan.clients; j++)
			for (size_t k = 0; k < rivals[i][j].latencies.count; k++)
				durations_add(&all, rivals[i][j].latencies.values[k]);
		printf("%s\t%.1f\t%.3f\t%.3f\n", arguments[i * 4],
			   durations_quantile(&rates[i], 0.5),
			   durations_quantile(&all, 0.5) * 1e3, durations_quantile(&all, 0.99) * 1e3);
	}
}

