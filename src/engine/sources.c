/*
 * sources.c
 *		Which sources sent events of a type.
 *
 * Envelope keys are hashes of type, source and id: an event can be found by its
 * id only where the sources are known.  They are kept as series of a stream that
 * no meter has, a series' subject being the type and its dimensions the source.
 * The series dictionary is exact under races and rollbacks, and each backend
 * remembers what it entered.
 */
#include "engine/batch.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/hsearch.h"
#include "utils/json.h"

/* Numbers of streams begin at 1. */
#define SOURCES_STREAM 0

typedef struct SourcePair
{
	MeterText	type;
	MeterText	source;
} SourcePair;

static uint32
pair_hash(const void *key, Size keysize)
{
	const SourcePair *pair = key;

	return hash_combine(hash_bytes((const unsigned char *) pair->type.data, pair->type.len),
						hash_bytes((const unsigned char *) pair->source.data, pair->source.len));
}

static bool
same_text(MeterText a, MeterText b)
{
	return a.len == b.len && (a.data == NULL) == (b.data == NULL) &&
		(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static int
pair_match(const void *a, const void *b, Size keysize)
{
	const SourcePair *x = a;
	const SourcePair *y = b;

	return !same_text(x->source, y->source) || !same_text(x->type, y->type);
}

/* The pair as a series; a source that is missing is null. */
static MeterSeries
pair_series(const SourcePair *pair)
{
	MeterSeries series = {.stream_id = SOURCES_STREAM, .subject = pair->type};
	StringInfoData buf;

	initStringInfo(&buf);
	if (pair->source.len > 0)
		escape_json(&buf, pnstrdup(pair->source.data, pair->source.len));
	else
		appendStringInfoString(&buf, "null");
	series.dimensions = (MeterText) {buf.data, buf.len};
	series.hash = meter_series_hash(&series);
	return series;
}

/* Note the sources of the batch's events; see batch.h. */
void
meter_batch_note_sources(MeterBatch *batch)
{
	HASHCTL		ctl = {
		.keysize = sizeof(SourcePair), .entrysize = sizeof(SourcePair),
		.hash = pair_hash, .match = pair_match, .hcxt = batch->context
	};
	SourcePair	last = {{NULL, -1}, {NULL, 0}};
	HTAB	   *pairs = NULL;
	MeterSeries *series = NULL;
	int			n = 0;
	int			size = 0;

	for (int i = 0; i < batch->nevents; i++)
	{
		const MeterEvent *event = &batch->events[i];
		SourcePair	pair = {event->type, event->source};
		bool		found;

		if (event->id.data == NULL || event->status == METER_STATUS_REJECTED)
			continue;
		/* hashing takes no null */
		if (pair.source.data == NULL)
			pair.source.data = "";
		/* as a rule all of a batch are from one */
		if (pair_match(&pair, &last, sizeof(pair)) == 0)
			continue;
		/* one pair needs no set: a single report has no time to make one */
		if (n > 0)
		{
			if (pairs == NULL)
			{
				pairs = hash_create("meter batch sources", 16, &ctl,
									HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
				(void) hash_search(pairs, &last, HASH_ENTER, NULL);
			}
			(void) hash_search(pairs, &pair, HASH_ENTER, &found);
		}
		else
			found = false;
		last = pair;
		if (found)
			continue;
		series = meter_batch_grow(series, n, &size, sizeof(MeterSeries), 4);
		series[n++] = pair_series(&pair);
	}
	if (n > 0)
		meter_series_resolve(&batch->organization, series, n);
}

/* The sources of events of a type; see batch.h. */
int
meter_sources_list(const pg_uuid_t *organization, MeterText type, MeterText **list)
{
	MeterSeries *series;
	int			n = meter_series_list(organization, SOURCES_STREAM, &type, &series);

	*list = palloc(Max(n, 1) * sizeof(MeterText));
	for (int i = 0; i < n; i++)
	{
		MeterJson  *doc = meter_json_parse_or_throw(series[i].dimensions.data, series[i].dimensions.len,
													"source of events");
		MeterText	source = {NULL, 0};

		if (doc->nodes[0].type == METER_JSON_STRING)
			source.data = meter_json_string(doc, 0, &source.len);
		(*list)[i] = source;
	}
	return n;
}
