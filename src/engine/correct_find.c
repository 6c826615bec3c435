/*
 * correct_find.c
 *		The event that a correction means.
 *
 * A key is an event's id, of whatever source: the sources that sent events of
 * the type are known (sources.c), and each of them makes an envelope's key of
 * it.  Where none has it, it is the own key of meters with a dedup_key_path.
 * The key leads to the event that came with it; where that was amended, its
 * amendments lead on to the newest.
 */
#include "engine/correct.h"

#include "lib/stringinfo.h"

/* So many of those that have an ambiguous key are named. */
#define MAX_NAMED 10

/* Keys the event may have, and whose they are then. */
typedef struct Candidates
{
	const char *what;			/* what the owners are */
	int			n;
	MeterKey   *keys;
	MeterText  *owners;			/* sources or meters */
	bool	   *found;
} Candidates;

static Candidates
new_candidates(const char *what, int size)
{
	return (Candidates) {
		.what = what,
			.keys = palloc0(Max(size, 1) * sizeof(MeterKey)),
			.owners = palloc(Max(size, 1) * sizeof(MeterText)),
			.found = palloc(Max(size, 1) * sizeof(bool))
	};
}

/* The keys of envelopes. */
static Candidates
list_envelopes(const MeterCorrection *correction)
{
	MeterText  *sources = (MeterText *) correction->source;
	int			n = 1;
	Candidates	list;

	if (sources == NULL)
		n = meter_sources_list(&correction->organization, correction->type, &sources);
	list = new_candidates("sources", n);
	for (; list.n < n; list.n++)
	{
		MeterEvent	event = {
			.type = correction->type, .source = sources[list.n], .id = correction->key
		};

		list.owners[list.n] = sources[list.n];
		list.keys[list.n].key = meter_event_key(&event);
	}
	return list;
}

/* The keys of meters. */
static Candidates
list_meters(const MeterCorrection *correction, const MeterListeners *listeners)
{
	Candidates	list = new_candidates("meters", listeners->nmeters);

	for (int i = 0; i < listeners->nmeters; i++)
	{
		const MeterEntry *meter = listeners->meters[i];
		bool		keyed = false;

		for (int v = 0; v < meter->nversions; v++)
			keyed |= meter->versions[v]->dedup_path != NULL;
		if (!keyed)
			continue;
		list.owners[list.n] = (MeterText) {meter->key, strlen(meter->key)};
		list.keys[list.n].key = correction->key;
		list.keys[list.n++].space = meter->meter_no;
	}
	return list;
}

/* Raise 42725: several events have the key. */
static void
ambiguous(const MeterCorrection *correction, const Candidates *list)
{
	StringInfoData names;
	int			n = 0;

	initStringInfo(&names);
	for (int i = 0; i < list->n; i++)
	{
		if (!list->found[i])
			continue;
		if (n == MAX_NAMED)
		{
			appendStringInfoString(&names, ", ...");
			break;
		}
		appendStringInfo(&names, "%s\"%.*s\"", n++ > 0 ? ", " : "", list->owners[i].len,
						 list->owners[i].data ? list->owners[i].data : "");
	}
	ereport(ERROR,
			(errcode(ERRCODE_AMBIGUOUS_FUNCTION),
			 errmsg("several events of type \"%.*s\" have the key \"%.*s\"",
					correction->type.len, correction->type.data,
					correction->key.len, correction->key.data),
			 errdetail("AMBIGUOUS_KEY: the %s %s have it.", list->what, names.data),
			 list->keys[0].space == 0 ?
			 errhint("Say of which source it is; an empty one stands for none.") :
			 errhint("Use the event's id.")));
}

/* The one key of them that is there, or NULL. */
static const MeterKey *
choose(const MeterCorrection *correction, const Candidates *list)
{
	const MeterKey *chosen = NULL;

	meter_key_find(&correction->organization, list->keys, list->n, list->found);
	for (int i = 0; i < list->n; i++)
	{
		if (!list->found[i])
			continue;
		/* a source may be entered twice, several meters may have one event */
		if (chosen && chosen->seq != list->keys[i].seq)
			ambiguous(correction, list);
		chosen = &list->keys[i];
	}
	return chosen;
}

/* Raise 42704; see correct.h. */
void
meter_correct_missing(const MeterCorrection *correction, bool kept)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no event of type \"%.*s\" with the key \"%.*s\"",
					correction->type.len, correction->type.data,
					correction->key.len, correction->key.data),
			 errdetail("EVENT_NOT_FOUND."),
			 kept ? errhint("It is in quarantine: release it first, or void it.") : 0));
}

/* Raise 55000; see correct.h. */
void
meter_correct_reversed(const MeterCorrection *correction)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the event of type \"%.*s\" with the key \"%.*s\" was taken back before",
					correction->type.len, correction->type.data,
					correction->key.len, correction->key.data),
			 errdetail("ALREADY_REVERSED.")));
}

/* Find the event; see correct.h. */
void
meter_correct_find(const MeterCorrection *correction, const MeterListeners *listeners,
				   MeterStoredEvent *stored)
{
	Candidates	list = list_envelopes(correction);
	const MeterKey *key = choose(correction, &list);

	if (key == NULL && correction->source == NULL)
	{
		list = list_meters(correction, listeners);
		key = choose(correction, &list);
	}
	if (key == NULL)
		meter_correct_missing(correction, false);
	stored->time = key->time;
	stored->seq = key->seq;
	if (meter_reversal_follow(&correction->organization, stored->time, &stored->seq))
		meter_correct_reversed(correction);
}

/* Read an event's rows; see correct.h. */
void
meter_correct_read(const MeterCorrection *correction, MeterStoredEvent *stored)
{
	const pg_uuid_t *organization = &correction->organization;
	TimestampTz *places;
	int			nplaces = meter_placement_list(organization, stored->seq, &places);
	bool		again = false;

	for (int i = 0; i < nplaces; i++)
		again |= places[i] == stored->time;
	stored->nrows = meter_event_find(organization, correction->type, stored->time, stored->seq,
									 again, &stored->rows);
	for (int i = 0; i < nplaces; i++)
	{
		MeterEventRow *rows;
		int			n;

		if (places[i] == stored->time)
			continue;
		n = meter_event_find(organization, correction->type, places[i], stored->seq, true, &rows);
		if (n == 0 || stored->nrows == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("event %lld is not where it is counted", (long long) stored->seq)));
		stored->rows = repalloc(stored->rows, (stored->nrows + n) * sizeof(MeterEventRow));
		memcpy(stored->rows + stored->nrows, rows, n * sizeof(MeterEventRow));
		stored->nrows += n;
	}
}
