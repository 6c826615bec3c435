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

/* Prepare a statement the first time it is used. */
static void
prepare(MeterStatement *statement)
{
	SPIPlanPtr	plan;

	if (statement->plan != NULL)
		return;
	plan = SPI_prepare(statement->sql, statement->nargs, statement->types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not prepare a statement of meter: %s",
						SPI_result_code_string(SPI_result))));
	statement->plan = plan;
}

/* Run a statement to its end. */
void
meter_spi_execute(MeterStatement *statement, Datum *values, const char *nulls, bool read_only)
{
	int			result;

	prepare(statement);
	result = SPI_execute_plan(statement->plan, values, nulls, read_only, 0);
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("a statement of meter failed: %s", SPI_result_code_string(result))));
}

/* Open a cursor over a statement. */
Portal
meter_spi_open(MeterStatement *statement, Datum *values, const char *nulls, bool read_only)
{
	prepare(statement);
	return SPI_cursor_open(NULL, statement->plan, values, nulls, read_only);
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

/* A text datum, or null. */
Datum
meter_spi_text(MeterText text, bool *isnull)
{
	*isnull = text.data == NULL;
	return *isnull ? (Datum) 0 : PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
}
