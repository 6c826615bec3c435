/*
 * inbox.c
 *		SQL: the triggers of the view meter.event_inbox.
 *
 * INSERT and COPY bring one row at a time; the engine wants batches.  The row
 * trigger only notes the event; when enough are noted, and at the end of the
 * statement, they are ingested.  Notes belong to the subtransaction that made
 * them: a rollback to a savepoint drops those made since, and a statement that
 * runs inside another one, in a subtransaction of its own, leaves the notes of
 * the outer one alone, which would go with its rollback.
 */
#include "engine/ingest.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definitions/tenant.h"
#include "values/timestamp.h"

#define NOTES_MAX 5000
#define NOTES_BYTES_MAX (8 * 1024 * 1024)

typedef struct Note
{
	pg_uuid_t	organization;
	MeterText	event;
	int			level;			/* of the subtransaction that made it */
} Note;

static MemoryContext notes_context = NULL;	/* below TopTransactionContext */
static Note *notes;
static int	nnotes;
static size_t notes_bytes;

typedef struct Tally
{
	int64		total;
	int64		refused;
	int			level;			/* of the subtransaction that began it */
} Tally;

static Tally tally;

static void
transaction_ended(XactEvent event, void *arg)
{
	/* the context went with the transaction */
	notes_context = NULL;
	nnotes = 0;
	tally = (Tally) {0};
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId self,
					 SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (nnotes > 0 && notes[nnotes - 1].level >= level)
		notes_bytes -= notes[--nnotes].event.len;
	if (nnotes == 0 && notes_context)
	{
		MemoryContextDelete(notes_context);
		notes_context = NULL;
	}
	if (tally.level >= level)
		tally = (Tally) {0};
}

static void
ready_notes(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
		registered = true;
	}
	if (notes_context)
		return;
	notes_context = AllocSetContextCreate(TopTransactionContext, "meter inbox",
										  ALLOCSET_DEFAULT_SIZES);
	notes = MemoryContextAlloc(notes_context, NOTES_MAX * sizeof(Note));
	nnotes = 0;
	notes_bytes = 0;
}

static void
count_event(void *arg, const MeterEvent *event)
{
	if (tally.total++ == 0)
		tally.level = GetCurrentTransactionNestLevel();
	if (event->status == METER_STATUS_REJECTED || event->status == METER_STATUS_CONFLICT ||
		event->status == METER_STATUS_LATE_QUARANTINED)
		tally.refused++;
}

/* Take off what this subtransaction noted; *context is to be deleted with it. */
static Note *
take_notes(int *n, MemoryContext *context)
{
	int			level = GetCurrentTransactionNestLevel();
	int			first = nnotes;
	Note	   *mine = notes;

	while (first > 0 && notes[first - 1].level >= level)
		notes_bytes -= notes[--first].event.len;
	*n = nnotes - first;
	*context = notes_context;
	nnotes = first;
	/* the engine may come here again through a trigger of somebody's */
	if (first == 0)
	{
		MemoryContextSetParent(notes_context, CurTransactionContext);
		notes_context = NULL;
	}
	else
	{
		*context = AllocSetContextCreate(CurrentMemoryContext, "meter inbox notes",
										 ALLOCSET_DEFAULT_SIZES);
		mine = memcpy(MemoryContextAlloc(*context, *n * sizeof(Note)), notes + first, *n * sizeof(Note));
	}
	return mine;
}

/* Ingest what is noted, organization by organization. */
static void
ingest_notes(void)
{
	MemoryContext context;
	Note	   *mine;
	int			n;

	if (nnotes == 0 || notes[nnotes - 1].level < GetCurrentTransactionNestLevel())
		return;
	mine = take_notes(&n, &context);
	SPI_connect();
	for (int i = 0; i < n; i++)
	{
		MeterIngest *ingest;
		pg_uuid_t	organization = mine[i].organization;

		if (mine[i].event.data == NULL)
			continue;
		meter_tenant_require(&organization);
		ingest = meter_ingest_begin(&organization, count_event, NULL);
		for (int j = i; j < n; j++)
		{
			if (mine[j].event.data == NULL ||
				memcmp(&mine[j].organization, &organization, UUID_LEN) != 0)
				continue;
			(void) meter_ingest_add(ingest, mine[j].event);
			mine[j].event.data = NULL;
		}
		meter_ingest_finish(ingest);
	}
	SPI_finish();
	MemoryContextDelete(context);
}

/* A column of the new row as JSON, appended as a member. */
static void
append_member(StringInfo buf, HeapTuple row, TupleDesc desc, const char *name, bool json)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, SPI_fnumber(desc, name), &isnull);
	char	   *content;

	if (isnull)
		return;
	if (buf->len > 1)
		appendStringInfoChar(buf, ',');
	escape_json(buf, name);
	appendStringInfoChar(buf, ':');
	content = TextDatumGetCString(value);
	if (json)
		appendStringInfoString(buf, content);
	else
		escape_json(buf, content);
}

/* The event a row stands for: its column event, or the others put together. */
static MeterText
row_event(HeapTuple row, TupleDesc desc)
{
	static const char *const attributes[] = {"id", "source", "type", "subject", "meter"};
	StringInfoData buf;
	bool		isnull;
	Datum		event = SPI_getbinval(row, desc, SPI_fnumber(desc, "event"), &isnull);
	Datum		time;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (int i = 0; i < lengthof(attributes); i++)
		append_member(&buf, row, desc, attributes[i], false);
	append_member(&buf, row, desc, "data", true);
	if (!isnull)
	{
		text	   *whole = DatumGetTextPP(event);

		(void) SPI_getbinval(row, desc, SPI_fnumber(desc, "time"), &isnull);
		if (buf.len > 1 || !isnull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a row of meter.event_inbox has either the column event or the other columns")));
		return (MeterText) {VARDATA_ANY(whole), VARSIZE_ANY_EXHDR(whole)};
	}
	time = SPI_getbinval(row, desc, SPI_fnumber(desc, "time"), &isnull);
	if (!isnull)
	{
		char		when[METER_TIMESTAMP_LEN];

		meter_timestamp_format(DatumGetTimestampTz(time), when);
		appendStringInfo(&buf, "%s\"time\":\"%s\"", buf.len > 1 ? "," : "", when);
	}
	appendStringInfoChar(&buf, '}');
	return (MeterText) {buf.data, buf.len};
}

/* Note the event of a row. */
static void
note_row(HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	Datum		organization = SPI_getbinval(row, desc, SPI_fnumber(desc, "organization_id"), &isnull);
	MeterText	event;
	char	   *copy;

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("organization_id must not be null")));
	ready_notes();
	event = row_event(row, desc);
	copy = MemoryContextAlloc(notes_context, event.len + 1);
	memcpy(copy, event.data, event.len);
	notes[nnotes++] = (Note) {
		.organization = *DatumGetUUIDP(organization),
			.event = {copy, event.len},
			.level = GetCurrentTransactionNestLevel()
	};
	notes_bytes += event.len;
}

PG_FUNCTION_INFO_V1(meter_event_inbox);

/* Trigger of meter.event_inbox: INSTEAD OF each row, AFTER each statement. */
Datum
meter_event_inbox(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("meter.event_inbox_insert must be called as a trigger on insert")));
	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
	{
		note_row(trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation));
		if (nnotes >= NOTES_MAX || notes_bytes >= NOTES_BYTES_MAX)
			ingest_notes();
		return PointerGetDatum(trigger->tg_trigtuple);
	}

	ingest_notes();
	if (tally.refused > 0)
		ereport(NOTICE,
				(errmsg("%lld of %lld events were not counted",
						(long long) tally.refused, (long long) tally.total),
				 errhint("See meter.rejected_events.")));
	tally = (Tally) {0};
	return PointerGetDatum(NULL);
}
