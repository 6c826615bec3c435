/*
 * spi.h
 *		Statements the engine runs: prepared once a backend, arrays in.
 */
#ifndef METER_ENGINE_SPI_H
#define METER_ENGINE_SPI_H

#include "compat.h"

#include "executor/spi.h"

#include "values/text.h"

#define METER_STATEMENT_MAX_ARGS 16

typedef struct MeterStatement
{
	const char *sql;
	int			nargs;
	Oid			types[METER_STATEMENT_MAX_ARGS];
	SPIPlanPtr	plan;			/* kept for the backend's life */
} MeterStatement;

/* Run between SPI_connect and SPI_finish; nulls may be NULL. */
extern void meter_spi_execute(MeterStatement *statement, Datum *values,
							  const char *nulls, bool read_only);

/* A cursor over the same, for results of any size. */
extern Portal meter_spi_open(MeterStatement *statement, Datum *values,
							 const char *nulls, bool read_only);

/* A column of a row of SPI_tuptable. */
extern Datum meter_spi_value(uint64 row, int column, bool *isnull);

/* A text, json or bytea column; its bytes live as long as the row, or in the
 * current memory context where they were compressed. */
extern MeterText meter_spi_get_text(uint64 row, int column);

/* A one-dimensional array; nulls may be NULL. */
extern Datum meter_spi_array(Datum *values, bool *nulls, int n, Oid type);

/* A text datum, or (Datum) 0 and *isnull where there is none. */
extern Datum meter_spi_text(MeterText text, bool *isnull);

#endif							/* METER_ENGINE_SPI_H */
