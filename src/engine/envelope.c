/*
 * envelope.c
 *		Reads an event's envelope: CloudEvents 1.0 in JSON.
 *
 * Attributes this file does not know are CloudEvents extensions: allowed, and
 * of no meaning to a meter.
 */
#include "engine/batch.h"

#include "common/hashfn.h"

#include "values/timestamp.h"

#define MAX_ATTRIBUTE_LENGTH 1024
#define MAX_EVENT_LENGTH (1024 * 1024)

static bool
fail(MeterError *err, const char *attribute, const char *code, const char *message)
{
	meter_error_set(err, code, "%s", message);
	meter_error_prepend(err, attribute, strlen(attribute));
	return false;
}

/* A string attribute; NULL data where it is missing or null. */
static bool
read_attribute(const MeterJson *doc, const char *name, MeterText *out, MeterError *err)
{
	int			node = meter_json_member(doc, 0, name, strlen(name));

	*out = (MeterText) {NULL, 0};
	if (node < 0 || doc->nodes[node].type == METER_JSON_NULL)
		return true;
	if (doc->nodes[node].type != METER_JSON_STRING)
		return fail(err, name, "INVALID_TYPE", "expected a string");
	out->data = meter_json_string(doc, node, &out->len);
	if (out->len < 1 || out->len > MAX_ATTRIBUTE_LENGTH)
		return fail(err, name, "INVALID_LENGTH", "expected 1 to 1024 bytes");
	for (int i = 0; i < out->len; i++)
	{
		/* keys join attributes by a control character */
		if ((unsigned char) out->data[i] < 0x20 || out->data[i] == 0x7F)
			return fail(err, name, "INVALID_TEXT", "control characters are not allowed");
	}
	return true;
}

static bool
read_time(MeterBatch *batch, MeterEvent *event, MeterError *err)
{
	MeterText	text;

	event->time = event->retry ? event->retry->received_at : batch->received_at;
	if (!read_attribute(&batch->doc, "time", &text, err))
		return false;
	event->time_given = text.data != NULL;
	if (event->time_given && !meter_timestamp_parse(text.data, text.len, &event->time, err))
	{
		meter_error_prepend(err, "time", 4);
		return false;
	}
	return true;
}

/* The one meter the event is aimed at, if it names one. */
static bool
read_target(MeterBatch *batch, MeterEvent *event, MeterError *err)
{
	MeterText	name;
	const char *type;

	event->target = NULL;
	if (!read_attribute(&batch->doc, "meter", &name, err))
		return false;
	if (name.data == NULL)
		return event->type.data != NULL ||
			fail(err, "type", "MISSING_TYPE", "an event needs a type, or a meter");
	event->target = meter_cache_meter(&batch->organization, name.data, name.len);
	if (event->target == NULL)
		return fail(err, "meter", "METER_NOT_FOUND", "no such meter");
	if (event->target->archived && !batch->amends)
		return fail(err, "meter", "METER_ARCHIVED", "the meter is archived");
	type = event->target->metric_key;
	if (event->type.data == NULL)
		event->type = (MeterText) {type, strlen(type)};
	else if (event->type.len != strlen(type) || memcmp(event->type.data, type, event->type.len) != 0)
		return fail(err, "type", "TYPE_MISMATCH", "the meter listens to another type");
	return true;
}

/* What tells a duplicate from a conflict; see batch.h. */
uint64
meter_envelope_payload_hash(const MeterBatch *batch, const MeterEvent *event)
{
	uint64		h = 0;

	if (event->subject.data)
		h = hash_bytes_extended((const unsigned char *) event->subject.data, event->subject.len, 1);
	if (batch->data >= 0)
		h = hash_combine64(h, meter_json_hash(&batch->doc, batch->data));
	if (event->time_given)
		h = hash_combine64(h, (uint64) event->time);
	/* the same report to another meter is another report */
	if (event->target)
		h = hash_combine64(h, event->target->meter_no);
	return h;
}

/* Parse the event, and note where it ends; a large one is not looked at. */
static bool
read_document(MeterJson *doc, MeterEvent *event, MeterError *err)
{
	size_t		used;
	bool		parsed = meter_json_parse_prefix(doc, event->raw.data,
												 Min(event->raw.len, MAX_EVENT_LENGTH + 1), &used, err);

	if (!parsed)
		used = meter_json_skip(event->raw.data, event->raw.len, 0);
	event->raw.len = (int) used;
	if (used > MAX_EVENT_LENGTH)
		return meter_error_set(err, "TOO_LARGE", "expected at most 1 MiB, got %d bytes", event->raw.len);
	return parsed;
}

/* Read the envelope; see batch.h. */
bool
meter_envelope_read(MeterBatch *batch, MeterEvent *event, MeterError *err)
{
	MeterJson  *doc = &batch->doc;

	if (!read_document(doc, event, err))
		return false;
	if (doc->nodes[0].type != METER_JSON_OBJECT)
		return meter_error_set(err, "INVALID_TYPE", "expected an event, an object, got %s",
							   meter_json_type_name(doc, 0));
	if (!read_attribute(doc, "id", &event->id, err) ||
		!read_attribute(doc, "source", &event->source, err) ||
		!read_attribute(doc, "type", &event->type, err) ||
		!read_attribute(doc, "subject", &event->subject, err) ||
		!read_time(batch, event, err) ||
		!read_target(batch, event, err))
		return false;

	batch->data = meter_json_member(doc, 0, "data", 4);
	if (batch->data >= 0 && doc->nodes[batch->data].type == METER_JSON_NULL)
		batch->data = -1;
	if (batch->data >= 0)
	{
		const MeterJsonNode *node = &doc->nodes[batch->data];
		int			quote = node->type == METER_JSON_STRING ? 1 : 0;

		event->data = (MeterText) {doc->text + node->off - quote, node->len + 2 * quote};
	}
	event->payload_hash = meter_envelope_payload_hash(batch, event);
	return true;
}
