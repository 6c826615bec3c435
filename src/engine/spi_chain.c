/*
 * spi_chain.c
 *		Several inserts of one row each, as one statement.
 *
 * A single report writes a key, an event and a rollup page.  As three
 * statements they cost three times the start and end of an executor, which is
 * as much as the inserts themselves.  As one statement the first insert is a
 * common table expression that the others select from, so that they happen only
 * if it did.
 */
#include "engine/spi.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define CHAIN_MAX 4
#define STATEMENTS_MAX 4

typedef struct Chain
{
	int			n;
	bool		single;			/* one row each, so far */
	int			nargs;
	MemoryContext context;		/* of begin: holds the values */
	MeterInsert *inserts[CHAIN_MAX];
	Datum		values[METER_STATEMENT_MAX_ARGS];
	char		flags[METER_STATEMENT_MAX_ARGS];
} Chain;

/* The statement for one sequence of inserts. */
typedef struct ChainStatement
{
	int			n;
	MeterInsert *inserts[CHAIN_MAX];
	MeterStatement statement;
} ChainStatement;

static Chain chain;
static bool chaining = false;
static ChainStatement statements[STATEMENTS_MAX];
static int	nstatements;

static void
transaction_ended(XactEvent event, void *arg)
{
	chaining = false;
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId self,
					 SubTransactionId parent, void *arg)
{
	chaining = false;
}

/* Begin a chain. */
void
meter_spi_chain_begin(void)
{
	static bool registered = false;

	if (!registered)
	{
		/* an error between begin and end must not leave a chain open */
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
		registered = true;
	}
	chain.n = 0;
	chain.nargs = 0;
	chain.single = true;
	chain.context = CurrentMemoryContext;
	chaining = true;
}

/* Is a chain open? */
bool
meter_spi_chaining(void)
{
	return chaining;
}

/* Note a row; what it points to is copied, its memory may be freed before. */
void
meter_spi_chain_note(MeterInsert *insert, const Datum *values, const char *flags, int n)
{
	MemoryContext old;

	if (n != 1 || chain.n >= CHAIN_MAX ||
		chain.nargs + insert->ncolumns > METER_STATEMENT_MAX_ARGS)
	{
		chain.single = false;
		return;
	}
	old = MemoryContextSwitchTo(chain.context);
	for (int c = 0; c < insert->ncolumns; c++)
	{
		int16		typlen;
		bool		typbyval;

		chain.flags[chain.nargs + c] = flags[c];
		if (flags[c] == 'n')
			continue;
		get_typlenbyval(insert->columns[c].type, &typlen, &typbyval);
		chain.values[chain.nargs + c] = datumCopy(values[c], typbyval, typlen);
	}
	MemoryContextSwitchTo(old);
	chain.nargs += insert->ncolumns;
	chain.inserts[chain.n++] = insert;
}

/* Write the statement for the chain's inserts. */
static void
make_statement(ChainStatement *made)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	StringInfoData buf;
	int			arg = 0;

	memset(made, 0, sizeof(*made));
	initStringInfo(&buf);
	made->n = chain.n;
	for (int i = 0; i < chain.n; i++)
	{
		MeterInsert *insert = chain.inserts[i];

		made->inserts[i] = insert;
		appendStringInfo(&buf, "%s c%d AS (INSERT INTO %s (", i == 0 ? "WITH" : ",", i, insert->table);
		for (int c = 0; c < insert->ncolumns; c++)
			appendStringInfo(&buf, "%s%s", c > 0 ? ", " : "", quote_identifier(insert->columns[c].name));
		appendStringInfoString(&buf, ") SELECT ");
		for (int c = 0; c < insert->ncolumns; c++)
		{
			made->statement.types[arg] = insert->columns[c].type;
			appendStringInfo(&buf, "%s$%d%s", c > 0 ? ", " : "", ++arg,
							 insert->columns[c].cast ? insert->columns[c].cast : "");
		}
		appendStringInfo(&buf, "%s %s%s)", i == 0 ? "" : " FROM c0", insert->tail,
						 i == 0 ? " RETURNING 1" : "");
	}
	appendStringInfoString(&buf, " SELECT FROM c0");
	made->statement.sql = buf.data;
	made->statement.nargs = arg;
	MemoryContextSwitchTo(old);
}

/* The statement for the chain's inserts, made if it is the first of its kind. */
static MeterStatement *
find_statement(void)
{
	for (int i = 0; i < nstatements; i++)
	{
		if (statements[i].n == chain.n &&
			memcmp(statements[i].inserts, chain.inserts, chain.n * sizeof(MeterInsert *)) == 0)
			return &statements[i].statement;
	}
	if (nstatements == STATEMENTS_MAX)
		return NULL;
	make_statement(&statements[nstatements]);
	return &statements[nstatements++].statement;
}

/* Insert the chain; see spi.h. */
bool
meter_spi_chain_end(void)
{
	MeterStatement *statement;

	chaining = false;
	statement = chain.single && chain.n > 0 ? find_statement() : NULL;
	if (statement == NULL)
		return false;
	meter_spi_execute(statement, chain.values, chain.flags, false);
	return SPI_processed == 1;
}
