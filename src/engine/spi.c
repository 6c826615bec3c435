/*
 * spi.c
 *		Statements the engine runs.
 *
 * All stores are reached by SQL with kept plans: row-level security, triggers
 * and logical replication see what any other client's statement would show
 * them.
 */
#include "engine/spi.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Prepare a statement the first time it is used. */
static void
prepare(MeterStatement *statement)
{
	SPIPlanPtr	plan;

	if (statement->plan != NULL)
		return;
	plan = SPI_prepare_cursor(statement->sql, statement->nargs, statement->types,
							  CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not prepare a statement of meter: %s",
						SPI_result_code_string(SPI_result))));
	statement->plan = plan;
}

/*
 * Run a statement to its end.  SPI leaves its own procedure's memory context
 * behind as the current one, where what the caller allocates next would stay
 * until SPI_finish: here and below the caller's is put back.
 */
void
meter_spi_execute(MeterStatement *statement, Datum *values, const char *nulls, bool read_only)
{
	MemoryContext context = CurrentMemoryContext;
	int			result;

	prepare(statement);
	result = SPI_execute_plan(statement->plan, values, nulls, read_only, 0);
	MemoryContextSwitchTo(context);
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("a statement of meter failed: %s", SPI_result_code_string(result))));
}

/* Run a statement by a plan that is not kept; see spi.h. */
void
meter_spi_execute_once(MeterStatement *statement, Datum *values, const char *nulls, bool read_only)
{
	meter_spi_execute(statement, values, nulls, read_only);
	SPI_freeplan(statement->plan);
	statement->plan = NULL;
}

/* Open a cursor over a statement. */
Portal
meter_spi_open(MeterStatement *statement, Datum *values, const char *nulls, bool read_only)
{
	MemoryContext context = CurrentMemoryContext;
	Portal		portal;

	prepare(statement);
	portal = SPI_cursor_open(NULL, statement->plan, values, nulls, read_only);
	MemoryContextSwitchTo(context);
	return portal;
}

/* The next rows of a cursor, in SPI_tuptable; returns how many. */
uint64
meter_spi_fetch(Portal portal, int count)
{
	MemoryContext context = CurrentMemoryContext;

	SPI_cursor_fetch(portal, true, count);
	MemoryContextSwitchTo(context);
	return SPI_processed;
}

/* Write an insert's two statements. */
static void
make_insert(MeterInsert *insert)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	StringInfoData names;
	StringInfoData one;
	StringInfoData many;
	StringInfoData arrays;
	StringInfoData aliases;

	initStringInfo(&names);
	initStringInfo(&one);
	initStringInfo(&many);
	initStringInfo(&arrays);
	initStringInfo(&aliases);
	for (int c = 0; c < insert->ncolumns; c++)
	{
		const MeterColumn *column = &insert->columns[c];
		const char *comma = c > 0 ? ", " : "";
		const char *cast = column->cast ? column->cast : "";

		insert->one.types[c] = column->type;
		insert->many.types[c] = c < insert->nfixed ? column->type : get_array_type(column->type);
		appendStringInfo(&names, "%s%s", comma, quote_identifier(column->name));
		appendStringInfo(&one, "%s$%d%s", comma, c + 1, cast);
		if (c < insert->nfixed)
			appendStringInfo(&many, "%s$%d%s", comma, c + 1, cast);
		else
		{
			appendStringInfo(&many, "%su.c%d%s", comma, c + 1, cast);
			comma = c > insert->nfixed ? ", " : "";
			appendStringInfo(&arrays, "%spg_catalog.unnest($%d)", comma, c + 1);
			appendStringInfo(&aliases, "%sc%d", comma, c + 1);
		}
	}
	insert->many.sql = psprintf("INSERT INTO %s (%s) SELECT %s FROM ROWS FROM (%s) AS u(%s) %s",
								insert->table, names.data, many.data, arrays.data,
								aliases.data, insert->tail);
	insert->one.sql = psprintf("INSERT INTO %s (%s) VALUES (%s) %s",
							   insert->table, names.data, one.data, insert->tail);
	insert->many.nargs = insert->ncolumns;
	insert->one.nargs = insert->ncolumns;
	MemoryContextSwitchTo(old);
}

/* Insert rows; see spi.h. */
void
meter_spi_insert(MeterInsert *insert, const Datum *fixed, Datum *columns, bool *nulls, int n)
{
	Datum		values[METER_STATEMENT_MAX_ARGS];
	char		flags[METER_STATEMENT_MAX_ARGS];
	int			nvarying = insert->ncolumns - insert->nfixed;

	if (insert->one.sql == NULL)
		make_insert(insert);
	memset(flags, ' ', sizeof(flags));
	memcpy(values, fixed, insert->nfixed * sizeof(Datum));
	for (int v = 0; v < nvarying && (n == 1 || !meter_spi_chaining()); v++)
	{
		int			c = insert->nfixed + v;
		bool	   *these = nulls ? nulls + (Size) v * n : NULL;

		if (n > 1)
			values[c] = meter_spi_array(columns + (Size) v * n, these, n, insert->columns[c].type);
		else
		{
			values[c] = columns[v];
			flags[c] = these && *these ? 'n' : ' ';
		}
	}
	if (meter_spi_chaining())
		meter_spi_chain_note(insert, values, flags, n);
	else
		meter_spi_execute(n > 1 ? &insert->many : &insert->one, values, flags, false);
}

/* A column of a row of the result. */
Datum
meter_spi_value(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

/* A text, json or bytea column of a row of the result. */
MeterText
meter_spi_get_text(uint64 row, int column)
{
	bool		isnull;
	Datum		value = meter_spi_value(row, column, &isnull);
	text	   *t;

	if (isnull)
		return (MeterText) {NULL, 0};
	t = DatumGetTextPP(value);
	return (MeterText) {VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t)};
}

/* A one-dimensional array. */
Datum
meter_spi_array(Datum *values, bool *nulls, int n, Oid type)
{
	int16		typlen;
	bool		typbyval;
	char		typalign;
	int			dims[1] = {n};
	int			lbs[1] = {1};

	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, type,
											  typlen, typbyval, typalign));
}

/* An array of numbers. */
Datum
meter_spi_int64_array(const int64 *list, int n)
{
	Datum	   *values = palloc_extended(Max(n, 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	Datum		result;

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(list[i]);
	result = meter_spi_array(values, NULL, n, INT8OID);
	pfree(values);
	return result;
}

/* A text datum, or null. */
Datum
meter_spi_text(MeterText text, bool *isnull)
{
	*isnull = text.data == NULL;
	return *isnull ? (Datum) 0 : PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
}
