/*
 * state_bag.c
 *		A bag of entries with counts, for functions that must remember every
 *		value they saw.
 *
 * Items stand in the order they came, their bytes in one block beside them.
 * A few items are searched one by one; when there are more, an open-addressing
 * index of ordinals is built.  So the bag of a rollup cell, with one or two
 * entries, costs no allocation, and a million entries cost 24 bytes each
 * beside their own and their share of the index.
 *
 * Order is made only when somebody asks for it: packing sorts, so that equal
 * bags are equal bytes however they came about.
 */
#include "values/state_private.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* Up to here looking through all items is faster than hashing. */
#define SEARCH_ITEMS 8

#define MAX_ITEMS (1U << 30)

/* Bytes of a point's time and seq before its value. */
#define POINT_HEAD 16

/* The sort template wants its element's type in one word. */
typedef const MeterBagItem *KeyItem;

/* By the bytes, which begin with the length. */
static inline int
compare_key_items(const MeterBagItem *a, const MeterBagItem *b, const char *bytes)
{
	/* the length is the entry's first byte, so none is a prefix of another */
	return memcmp(bytes + a->offset, bytes + b->offset, Min(a->len, b->len));
}

/* By time, seq and value; entries of equal value differ in scale. */
static inline int
compare_entries(const MeterBagEntry *a, const MeterBagEntry *b)
{
	int			cmp;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	cmp = meter_decimal_cmp(&a->value, &b->value);
	if (cmp == 0)
		cmp = meter_decimal_scale(&a->value) - meter_decimal_scale(&b->value);
	return cmp;
}

#define ST_SORT sort_key_items
#define ST_ELEMENT_TYPE KeyItem
#define ST_COMPARE_ARG_TYPE const char
#define ST_COMPARE(a, b, bytes) compare_key_items(*(a), *(b), bytes)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_entries
#define ST_ELEMENT_TYPE MeterBagEntry
#define ST_COMPARE(a, b) compare_entries(a, b)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Make an empty bag; what it grows lives in context. */
void
meter_bag_init(MeterBag *bag, MemoryContext context)
{
	bag->context = context;
	bag->items = bag->inline_items;
	bag->bytes = bag->inline_bytes;
	bag->index = NULL;
	bag->mask = 0;
	bag->nitems = 0;
	bag->capacity = METER_BAG_INLINE_ITEMS;
	bag->used = 0;
	bag->size = METER_BAG_INLINE_BYTES;
}

/* The hash the index goes by. */
static inline uint32
hash_entry(const char *entry, int len)
{
	return hash_bytes((const unsigned char *) entry, len);
}

/* Enter item number ordinal, which has its hash. */
static void
index_item(MeterBag *bag, uint32 ordinal)
{
	uint32		slot = bag->items[ordinal].hash & bag->mask;

	while (bag->index[slot] != 0)
		slot = (slot + 1) & bag->mask;
	bag->index[slot] = ordinal + 1;
}

/* Make an index with room for all that capacity allows, a third of it empty. */
static void
build_index(MeterBag *bag)
{
	uint64		slots = pg_nextpower2_64((uint64) bag->capacity * 3 / 2);
	bool		hashed = bag->index != NULL;

	if (hashed)
		pfree(bag->index);
	bag->mask = (uint32) (slots - 1);
	bag->index = MemoryContextAllocExtended(bag->context, slots * sizeof(uint32),
											MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < bag->nitems; i++)
	{
		if (!hashed)
			bag->items[i].hash = hash_entry(bag->bytes + bag->items[i].offset,
											bag->items[i].len);
		index_item(bag, i);
	}
}

/* Move a block that has to grow, out of the bag itself the first time. */
static void *
grow(MeterBag *bag, void *block, bool is_inline, Size used, Size size)
{
	void	   *larger;

	if (!is_inline)
		return repalloc_huge(block, size);
	larger = MemoryContextAllocHuge(bag->context, size);
	memcpy(larger, block, used);
	return larger;
}

/* Append an item that is not there yet. */
static MeterBagItem *
append_item(MeterBag *bag, const char *entry, int len, uint32 hash)
{
	MeterBagItem *item;

	if (bag->nitems >= bag->capacity)
	{
		if (bag->capacity >= MAX_ITEMS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many different entries in one usage state")));
		bag->items = grow(bag, bag->items, bag->items == bag->inline_items,
						  sizeof(bag->inline_items),
						  (Size) bag->capacity * 2 * sizeof(MeterBagItem));
		bag->capacity *= 2;
		if (bag->index != NULL)
			build_index(bag);
	}
	if (bag->used + len > bag->size)
	{
		uint64		size = Max(bag->size * 2, bag->used + len);

		bag->bytes = grow(bag, bag->bytes, bag->bytes == bag->inline_bytes,
						  bag->used, size);
		bag->size = size;
	}

	item = &bag->items[bag->nitems];
	item->offset = bag->used;
	item->count = 0;
	item->len = len;
	item->hash = hash;
	memcpy(bag->bytes + bag->used, entry, len);
	bag->used += len;
	bag->nitems++;
	if (bag->index != NULL)
		index_item(bag, bag->nitems - 1);
	return item;
}

/*
 * Append an entry that the caller knows not to be there.  An index is not made
 * for it: who reads a packed state and nothing else needs none.
 */
void
meter_bag_append(MeterBag *bag, const char *entry, int len, int64 count)
{
	uint32		hash = bag->index != NULL ? hash_entry(entry, len) : 0;

	append_item(bag, entry, len, hash)->count = count;
}

/* Change an entry's count. */
void
meter_bag_add(MeterBag *bag, const char *entry, int len, int64 count)
{
	MeterBagItem *item = NULL;
	uint32		hash = 0;

	if (bag->index == NULL && bag->nitems > SEARCH_ITEMS)
		build_index(bag);
	if (bag->index == NULL)
	{
		for (uint32 i = 0; i < bag->nitems; i++)
		{
			if (bag->items[i].len == len &&
				memcmp(bag->bytes + bag->items[i].offset, entry, len) == 0)
			{
				item = &bag->items[i];
				break;
			}
		}
	}
	else
	{
		uint32		slot;

		hash = hash_entry(entry, len);
		for (slot = hash & bag->mask; bag->index[slot] != 0; slot = (slot + 1) & bag->mask)
		{
			MeterBagItem *found = &bag->items[bag->index[slot] - 1];

			if (found->hash == hash && found->len == len &&
				memcmp(bag->bytes + found->offset, entry, len) == 0)
			{
				item = found;
				break;
			}
		}
	}
	if (item == NULL)
		item = append_item(bag, entry, len, hash);
	meter_state_count_add(&item->count, count);
}

/* Would a stand before b in a packed bag? */
bool
meter_bag_entry_before(const MeterBagEntry *a, const MeterBagEntry *b)
{
	return compare_entries(a, b) < 0;
}

/* A sample's key, or its digest where it is long. */
void
meter_bag_add_key(MeterBag *bag, const char *key, int len, int64 count)
{
	char		entry[1 + METER_KEY_INLINE];
	bytea	   *digest;

	if (len <= METER_KEY_INLINE)
	{
		entry[0] = (char) len;
		memcpy(entry + 1, key, len);
		meter_bag_add(bag, entry, 1 + len, count);
		return;
	}
	digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea,
												 PointerGetDatum(cstring_to_text_with_len(key, len))));
	entry[0] = METER_KEY_DIGEST;
	memcpy(entry + 1, VARDATA_ANY(digest), METER_KEY_INLINE);
	meter_bag_add(bag, entry, 1 + METER_KEY_INLINE, count);
}

/* Add head and packed value as one entry. */
static void
add_decimal(MeterBag *bag, const char *head, int headlen, const MeterDecimal *value,
			int64 count, bool absent)
{
	char		small[POINT_HEAD + METER_PACKED_DECIMAL_MAX];
	const char *entry = small;
	int			len;
	StringInfoData buf = {0};

	if (likely(value->big == NULL))
	{
		memcpy(small, head, headlen);
		len = meter_put_decimal(small + headlen, value) - small;
	}
	else
	{
		initStringInfo(&buf);
		appendBinaryStringInfo(&buf, head, headlen);
		meter_append_decimal(&buf, value);
		entry = buf.data;
		len = buf.len;
	}
	if (absent)
		meter_bag_append(bag, entry, len, count);
	else
		meter_bag_add(bag, entry, len, count);
	if (buf.data != NULL)
		pfree(buf.data);
}

/* A value; 1.0 and 1.00 are the same. */
void
meter_bag_add_value(MeterBag *bag, const MeterDecimal *value, int64 count)
{
	MeterDecimal trimmed;

	if (meter_decimal_is_trimmed(value))
		trimmed = *value;
	else
		meter_decimal_trim(value, &trimmed);
	add_decimal(bag, "", 0, &trimmed, count, false);
}

/* A point; absent says that the caller knows it not to be there. */
void
meter_bag_add_point(MeterBag *bag, TimestampTz time, int64 seq,
					const MeterDecimal *value, int64 count, bool absent)
{
	int64		head[POINT_HEAD / sizeof(int64)] = {time, seq};

	add_decimal(bag, (const char *) head, POINT_HEAD, value, count, absent);
}

/* The items of a bag of KEYS whose count is not 0, in order of their bytes. */
uint32
meter_bag_sorted_keys(const MeterBag *bag, const MeterBagItem ***items)
{
	uint32		n = 0;

	*items = MemoryContextAllocHuge(CurrentMemoryContext,
									Max(bag->nitems, 1) * sizeof(MeterBagItem *));
	for (uint32 i = 0; i < bag->nitems; i++)
	{
		if (bag->items[i].count != 0)
			(*items)[n++] = &bag->items[i];
	}
	sort_key_items(*items, n, bag->bytes);
	return n;
}

/* The entries of a bag of VALUES or POINTS whose count is not 0, in order. */
uint32
meter_bag_sorted_entries(const MeterBag *bag, MeterBagKind kind, MeterBagEntry **entries)
{
	uint32		n = 0;

	*entries = MemoryContextAllocHuge(CurrentMemoryContext,
									  Max(bag->nitems, 1) * sizeof(MeterBagEntry));
	for (uint32 i = 0; i < bag->nitems; i++)
	{
		const MeterBagItem *item = &bag->items[i];
		MeterBagEntry *entry = &(*entries)[n];
		const char *bytes = bag->bytes + item->offset;
		MeterReader r = {
			(const unsigned char *) bytes, (const unsigned char *) bytes + item->len
		};

		if (item->count == 0)
			continue;
		entry->time = entry->seq = 0;
		if (kind == METER_BAG_POINTS)
		{
			memcpy(&entry->time, meter_get_bytes(&r, sizeof(int64)), sizeof(int64));
			memcpy(&entry->seq, meter_get_bytes(&r, sizeof(int64)), sizeof(int64));
		}
		meter_get_decimal(&r, &entry->value);
		entry->count = item->count;
		n++;
	}
	sort_entries(*entries, n);
	return n;
}
