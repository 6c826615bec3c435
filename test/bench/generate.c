/*
 * generate.c
 *		Writes the events of the benchmark, the same ones for every rival.
 *
 *	generate json|copy --events N --subjects N --days N [--batch N] [--from TIME_T] [--seed N]
 *
 * "json" writes CloudEvents, a JSON array of --batch events a line; "copy"
 * writes one row a line in COPY's text format.  Equal arguments give equal
 * events in both forms, so a COPY of the rows and an ingest of the documents
 * store the same thing.
 *
 * Events come as a live feed has them: in the order of time but for the two
 * minutes that senders are late, with random ids, subjects spread evenly.
 * With few subjects many events of a batch share a rollup row (dense); with
 * very many nearly every event has one of its own (sparse).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ORGANIZATION "0b5e55ed-0000-4000-8000-000000000001"
#define EVENT_SOURCE "/gateway/eu-1"
#define EVENT_TYPE "api.request"
#define LATEST_ARRIVAL_MS 120000

static const char *const models[] = {"small", "medium", "large", "huge"};

/* What is asked for on the command line. */
typedef struct Request
{
	bool		json;
	int64_t		events;
	int64_t		subjects;
	int64_t		days;
	int64_t		batch;
	int64_t		from;			/* seconds since 1970 */
	uint64_t	seed;
} Request;

/* One event, before it is written in either form. */
typedef struct Event
{
	char		id[37];
	char		time[80];
	int64_t		subject;
	int64_t		thousandths;	/* of a unit */
	const char *model;
	int			status;
} Event;

/* Next number of a splitmix64 sequence: small, and the same everywhere. */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t	z = (*state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* Write a random (version 4) uuid. */
static void
make_uuid(uint64_t *state, char *out)
{
	uint64_t	high = next_random(state);
	uint64_t	low = next_random(state);

	snprintf(out, 37, "%08x-%04x-4%03x-%04x-%012" PRIx64,
			 (unsigned) (high >> 32), (unsigned) (high >> 16) & 0xffff,
			 (unsigned) high & 0xfff, (unsigned) ((low >> 48) & 0x3fff) | 0x8000,
			 low & UINT64_C(0xffffffffffff));
}

/* Make event number n of a request. */
static void
make_event(const Request *request, int64_t n, uint64_t *state, Event *event)
{
	int64_t		span_ms = request->days * 86400000;
	int64_t		ms = (int64_t) ((double) span_ms * (double) n / (double) request->events);
	time_t		seconds;
	struct tm	parts;

	make_uuid(state, event->id);
	ms -= (int64_t) (next_random(state) % LATEST_ARRIVAL_MS);
	if (ms < 0)
		ms = 0;
	seconds = (time_t) (request->from + ms / 1000);
	gmtime_r(&seconds, &parts);
	snprintf(event->time, sizeof(event->time), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
			 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
			 parts.tm_hour, parts.tm_min, parts.tm_sec, (int) (ms % 1000));

	event->subject = (int64_t) (next_random(state) % (uint64_t) request->subjects);
	event->thousandths = (int64_t) (next_random(state) % 1000000);
	event->model = models[next_random(state) % 4];
	event->status = next_random(state) % 50 == 0 ? 500 : 200;
}

/* Write the event's payload; the two forms differ in nothing. */
static void
put_data(const Event *event)
{
	printf("{\"units\":%" PRId64 ".%03d,\"model\":\"%s\",\"status\":%d}",
		   event->thousandths / 1000, (int) (event->thousandths % 1000),
		   event->model, event->status);
}

/* Write the event as a CloudEvent. */
static void
put_json(const Event *event)
{
	printf("{\"id\":\"%s\",\"source\":\"" EVENT_SOURCE "\",\"type\":\"" EVENT_TYPE "\","
		   "\"subject\":\"customer-%05" PRId64 "\",\"time\":\"%s\",\"data\":",
		   event->id, event->subject, event->time);
	put_data(event);
	putchar('}');
}

/* Write the event as a row of COPY's text format. */
static void
put_row(const Event *event)
{
	printf("%s\t" ORGANIZATION "\t" EVENT_SOURCE "\t" EVENT_TYPE "\tcustomer-%05" PRId64 "\t%s\t",
		   event->id, event->subject, event->time);
	put_data(event);
	putchar('\n');
}

/* Say how the program is called, and leave. */
static void
usage(void)
{
	fputs("usage: generate json|copy --events N --subjects N --days N [--batch N] [--from TIME_T] [--seed N]\n",
		  stderr);
	exit(2);
}

/* Read the command line. */
static Request
parse_arguments(int argc, char **argv)
{
	Request		request = {.batch = 1000,.from = 1735689600,.seed = 1};

	if (argc < 2 || argc % 2 != 0)
		usage();
	request.json = strcmp(argv[1], "json") == 0;
	if (!request.json && strcmp(argv[1], "copy") != 0)
		usage();
	for (int i = 2; i < argc; i += 2)
	{
		int64_t		number = strtoll(argv[i + 1], NULL, 10);

		if (strcmp(argv[i], "--events") == 0)
			request.events = number;
		else if (strcmp(argv[i], "--subjects") == 0)
			request.subjects = number;
		else if (strcmp(argv[i], "--days") == 0)
			request.days = number;
		else if (strcmp(argv[i], "--batch") == 0)
			request.batch = number;
		else if (strcmp(argv[i], "--from") == 0)
			request.from = number;
		else if (strcmp(argv[i], "--seed") == 0)
			request.seed = (uint64_t) number;
		else
			usage();
	}
	if (request.events < 1 || request.subjects < 1 || request.days < 1 || request.batch < 1)
		usage();
	return request;
}

int
main(int argc, char **argv)
{
	Request		request = parse_arguments(argc, argv);
	uint64_t	state = request.seed;

	for (int64_t n = 0; n < request.events; n++)
	{
		Event		event;
		bool		first = n % request.batch == 0;
		bool		last = (n + 1) % request.batch == 0 || n + 1 == request.events;

		make_event(&request, n, &state, &event);
		if (!request.json)
		{
			put_row(&event);
			continue;
		}
		putchar(first ? '[' : ',');
		put_json(&event);
		if (last)
			fputs("]\n", stdout);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
