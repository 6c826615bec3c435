/*
 * text.c
 *		Tables by text.
 */
#include "values/text.h"

#include "common/hashfn.h"

static uint32
table_hash(const void *key, Size keysize)
{
	const MeterText *text = key;

	return hash_bytes((const unsigned char *) text->data, text->len);
}

static int
table_match(const void *a, const void *b, Size keysize)
{
	return !meter_text_same(*(const MeterText *) a, *(const MeterText *) b);
}

/* An empty table; see text.h. */
HTAB *
meter_text_table(const char *name, Size entry, MemoryContext context)
{
	HASHCTL		ctl = {
		.keysize = sizeof(MeterText), .entrysize = entry, .hash = table_hash, .match = table_match,
		.hcxt = context
	};

	return hash_create(name, 16, &ctl, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}
