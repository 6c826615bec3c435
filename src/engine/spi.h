/*
 * spi.h
 *		Statements the engine runs: prepared once a backend, arrays in.
 */
#ifndef METER_ENGINE_SPI_H
#define METER_ENGINE_SPI_H

#include "compat.h"

#include "executor/spi.h"

#include "values/text.h"

#define METER_STATEMENT_MAX_ARGS 24

typedef struct MeterStatement
{
	const char *sql;
	int			nargs;
	Oid			types[METER_STATEMENT_MAX_ARGS];
	SPIPlanPtr	plan;			/* kept for the backend's life */
} MeterStatement;

/* A column of an insert. */
typedef struct MeterColumn
{
	const char *name;
	Oid			type;
	const char *cast;			/* "::int[]", or NULL */
} MeterColumn;

/*
 * An INSERT of any number of rows.  The first nfixed columns have one value for
 * all rows.  One row is inserted by its values, more by arrays: a plan with
 * arrays takes twice as long to start.
 */
typedef struct MeterInsert
{
	const char *table;			/* and an alias, where the tail needs one */
	const char *tail;			/* ON CONFLICT, RETURNING; or "" */
	int			nfixed;
	int			ncolumns;
	MeterColumn columns[METER_STATEMENT_MAX_ARGS];
	MeterStatement one;			/* made at first use */
	MeterStatement many;
} MeterInsert;

/* Insert n rows; varying columns stand one after the other, n values each, and
 * nulls (which may be NULL) likewise.  SPI_processed tells how many went in. */
extern void meter_spi_insert(MeterInsert *insert, const Datum *fixed,
							 Datum *columns, bool *nulls, int n);

/*
 * A chain of inserts of one row each, run as one statement.  Between begin and
 * end, meter_spi_insert only notes its row; end inserts the first one, and the
 * others if that went in.  It returns false, with nothing inserted, where it did
 * not, or where more than one row was to go into a table.
 */
extern void meter_spi_chain_begin(void);
extern bool meter_spi_chain_end(void);
extern bool meter_spi_chaining(void);

/* spi_chain.c's part of meter_spi_insert: take note of a row. */
extern void meter_spi_chain_note(MeterInsert *insert, const Datum *values,
								 const char *flags, int n);

/* Run between SPI_connect and SPI_finish; nulls may be NULL. */
extern void meter_spi_execute(MeterStatement *statement, Datum *values,
							  const char *nulls, bool read_only);

/* As meter_spi_execute, but planned for this time only: for what runs seldom, where
 * the choice between indexes depends on how large the table is. */
extern void meter_spi_execute_once(MeterStatement *statement, Datum *values,
								   const char *nulls, bool read_only);

/* A cursor over the same, for results of any size. */
extern Portal meter_spi_open(MeterStatement *statement, Datum *values,
							 const char *nulls, bool read_only);

/* Up to so many more of its rows, into SPI_tuptable; returns how many came. */
extern uint64 meter_spi_fetch(Portal portal, int count);

/* A column of a row of SPI_tuptable. */
extern Datum meter_spi_value(uint64 row, int column, bool *isnull);

/* A text, json or bytea column; its bytes live as long as the row, or in the
 * current memory context where they were compressed. */
extern MeterText meter_spi_get_text(uint64 row, int column);

/* A one-dimensional array; nulls may be NULL. */
extern Datum meter_spi_array(Datum *values, bool *nulls, int n, Oid type);
extern Datum meter_spi_int64_array(const int64 *list, int n);

/* A text datum, or (Datum) 0 and *isnull where there is none. */
extern Datum meter_spi_text(MeterText text, bool *isnull);

#endif							/* METER_ENGINE_SPI_H */
