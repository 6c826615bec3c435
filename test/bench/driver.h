/*
 * driver.h
 *		What the commands of the benchmark's driver share.
 */
#ifndef METER_BENCH_DRIVER_H
#define METER_BENCH_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

/* The name of the prepared statement on each connection. */
#define STATEMENT "bench"

/* A growing list of durations, in seconds. */
typedef struct Durations
{
	double	   *values;
	size_t		count;
	size_t		room;
} Durations;

extern void fail(const char *what, const char *why) __attribute__((noreturn));
extern double now_seconds(void);
extern void durations_add(Durations *list, double value);
extern double durations_quantile(Durations *list, double share);
extern double durations_sum(const Durations *list);
extern PGconn *open_connection(const char *database);
extern void finish_result(PGconn *connection, PGresult *result);
extern void execute(PGconn *connection, const char *sql);
extern long number_option(char ***arguments, const char *name);
extern int	count_rivals(char **arguments, int fields);

extern void command_batches(char **arguments);
extern void command_calls(char **arguments);
extern void command_relay(char **arguments);

#endif							/* METER_BENCH_DRIVER_H */
