/*
 * event_page.c
 *		Pages of events.
 *
 * An event is: its time less the one before it, its arrival number less the one
 * before it (signed varints), which of its attributes are there (one byte),
 * then each of those: its time less the one it came with (signed varint), texts
 * as length and bytes, the meter it is aimed at as 16 bytes.
 */
#include "engine/event_page.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "engine/spi.h"
#include "values/varint.h"

#define HAS_SOURCE 1
#define HAS_ID 2
#define HAS_SUBJECT 4
#define HAS_METER 8
#define HAS_DATA 16
#define HAS_ORIGINAL_TIME 32
#define IS_SUPPLEMENT 64

static void
put_text(StringInfo buf, MeterText text)
{
	if (text.data == NULL)
		return;
	meter_varint_put(buf, text.len);
	appendBinaryStringInfo(buf, text.data, text.len);
}

/* Append an event; see event_page.h. */
void
meter_event_page_put(StringInfo buf, MeterEventCursor *cursor, const MeterEventRow *row)
{
	meter_varint_put_signed(buf, row->time - cursor->time);
	meter_varint_put_signed(buf, row->seq - cursor->seq);
	cursor->time = row->time;
	cursor->seq = row->seq;
	appendStringInfoCharMacro(buf, (char) ((row->source.data ? HAS_SOURCE : 0) |
										   (row->id.data ? HAS_ID : 0) |
										   (row->subject.data ? HAS_SUBJECT : 0) |
										   (row->meter_id ? HAS_METER : 0) |
										   (row->data.data ? HAS_DATA : 0) |
										   (row->original_time != row->time ? HAS_ORIGINAL_TIME : 0) |
										   (row->supplement ? IS_SUPPLEMENT : 0)));
	if (row->original_time != row->time)
		meter_varint_put_signed(buf, row->time - row->original_time);
	put_text(buf, row->source);
	put_text(buf, row->id);
	put_text(buf, row->subject);
	put_text(buf, row->versions);
	if (row->meter_id)
		appendBinaryStringInfo(buf, (const char *) row->meter_id->data, UUID_LEN);
	put_text(buf, row->data);
}

static bool
get_original_time(MeterText *rest, bool there, MeterEventRow *row)
{
	int64		moved = 0;

	if (there && !meter_varint_get_signed(rest, &moved))
		return false;
	row->original_time = row->time - moved;
	return true;
}

static bool
get_text(MeterText *rest, bool there, MeterText *text)
{
	uint64		len;

	*text = (MeterText) {NULL, 0};
	if (!there)
		return true;
	if (!meter_varint_get(rest, &len) || len > (uint64) rest->len)
		return false;
	*text = (MeterText) {rest->data, (int) len};
	rest->data += len;
	rest->len -= len;
	return true;
}

static bool
get_meter(MeterText *rest, bool there, const pg_uuid_t **meter_id)
{
	*meter_id = NULL;
	if (!there)
		return true;
	if (rest->len < UUID_LEN)
		return false;
	*meter_id = (const pg_uuid_t *) rest->data;
	rest->data += UUID_LEN;
	rest->len -= UUID_LEN;
	return true;
}

/* The next event of a page; see event_page.h. */
bool
meter_event_page_next(MeterEventCursor *cursor, MeterEventRow *row)
{
	MeterText  *rest = &cursor->rest;
	int64		time;
	int64		seq;

	if (rest->len == 0)
		return false;
	memset(row, 0, sizeof(*row));
	if (meter_varint_get_signed(rest, &time) && meter_varint_get_signed(rest, &seq) && rest->len > 0)
	{
		unsigned char has = (unsigned char) *rest->data++;

		rest->len--;
		row->time = cursor->time += time;
		row->seq = cursor->seq += seq;
		row->supplement = (has & IS_SUPPLEMENT) != 0;
		if (get_original_time(rest, has & HAS_ORIGINAL_TIME, row) &&
			get_text(rest, has & HAS_SOURCE, &row->source) &&
			get_text(rest, has & HAS_ID, &row->id) &&
			get_text(rest, has & HAS_SUBJECT, &row->subject) &&
			get_text(rest, true, &row->versions) &&
			get_meter(rest, has & HAS_METER, &row->meter_id) &&
			get_text(rest, has & HAS_DATA, &row->data))
			return true;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("event page is damaged")));
}

/* The next of an event's versions; see event_page.h. */
bool
meter_event_next_version(MeterText *rest, int32 *version_id)
{
	const char *p = rest->data;
	const char *end = p + rest->len;

	while (p < end && (*p < '0' || *p > '9'))
		p++;
	if (p == end)
		return false;
	for (*version_id = 0; p < end && *p >= '0' && *p <= '9'; p++)
		*version_id = *version_id * 10 + (*p - '0');
	*rest = (MeterText) {p, end - p};
	return true;
}

PG_FUNCTION_INFO_V1(meter_page_events);

/* meter.page_events(bytea): the events of a page as rows. */
Datum
meter_page_events(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bytea	   *page = PG_GETARG_BYTEA_PP(0);
	MeterEventCursor cursor = {.rest = {VARDATA_ANY(page), VARSIZE_ANY_EXHDR(page)}};
	MeterEventRow row;

	InitMaterializedSRF(fcinfo, 0);
	while (meter_event_page_next(&cursor, &row))
	{
		Datum		values[10];
		bool		nulls[10] = {false};

		values[0] = Int64GetDatum(row.seq);
		values[1] = TimestampTzGetDatum(row.time);
		values[2] = meter_spi_text(row.source, &nulls[2]);
		values[3] = meter_spi_text(row.id, &nulls[3]);
		values[4] = meter_spi_text(row.subject, &nulls[4]);
		nulls[5] = row.meter_id == NULL;
		values[5] = UUIDPGetDatum(row.meter_id);
		values[6] = OidFunctionCall3(F_ARRAY_IN, CStringGetDatum(pnstrdup(row.versions.data, row.versions.len)),
									 ObjectIdGetDatum(INT4OID), Int32GetDatum(-1));
		values[7] = meter_spi_text(row.data, &nulls[7]);
		values[8] = TimestampTzGetDatum(row.original_time);
		values[9] = BoolGetDatum(row.supplement);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
