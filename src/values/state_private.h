/*
 * state_private.h
 *		What the state files share among themselves: the state's insides, the
 *		bag of counted entries, and the packed form's elements.
 */
#ifndef METER_VALUES_STATE_PRIVATE_H
#define METER_VALUES_STATE_PRIVATE_H

#include "values/state.h"

/*
 * A bag: entries with a signed count each.  An entry is a string of bytes,
 * equal exactly where the entries mean the same:
 *
 *	KEYS	a byte of length and the key, or METER_KEY_DIGEST and its SHA-256
 *	VALUES	a packed decimal without zeros behind its last decimal
 *	POINTS	time and seq, 8 bytes each as the machine has them, and a packed
 *			decimal
 */
typedef enum MeterBagKind
{
	METER_BAG_KEYS,
	METER_BAG_VALUES,
	METER_BAG_POINTS
} MeterBagKind;

/*
 * Keys up to this length are kept as they are.  Of a longer one its SHA-256 is
 * kept, so that a state's size depends on how many keys there are and not on
 * what clients put into them; nobody can make two keys that share one.
 */
#define METER_KEY_INLINE 32
#define METER_KEY_DIGEST (METER_KEY_INLINE + 1)

typedef struct MeterBagItem
{
	uint64		offset;			/* of the entry in bytes */
	int64		count;			/* may be 0: then it is as if not there */
	uint32		len;
	uint32		hash;			/* set once there is an index */
} MeterBagItem;

#define METER_BAG_INLINE_ITEMS 2
#define METER_BAG_INLINE_BYTES 48

typedef struct MeterBag
{
	MemoryContext context;
	MeterBagItem *items;
	char	   *bytes;			/* the entries, one behind the other */
	uint32	   *index;			/* open addressing, ordinal + 1; NULL until
								 * there are many items to look through */
	uint32		mask;			/* slots of the index less one */
	uint32		nitems;
	uint32		capacity;
	uint64		used;
	uint64		size;

	/* most bags are of one or two entries: these need no allocation */
	MeterBagItem inline_items[METER_BAG_INLINE_ITEMS];
	char		inline_bytes[METER_BAG_INLINE_BYTES];
} MeterBag;

/* An entry taken apart, for those kinds that have parts. */
typedef struct MeterBagEntry
{
	TimestampTz time;			/* 0 in VALUES */
	int64		seq;
	MeterDecimal value;
	int64		count;
} MeterBagEntry;

/* Keys counted approximately, as hll values: all of them are in one or both. */
typedef struct MeterSketch
{
	bytea	   *value;			/* or NULL */
	bytea	   *recent;			/* or NULL; small, to be merged into value */
} MeterSketch;

struct MeterState
{
	MemoryContext context;
	MeterFunction function;
	bool		sums;			/* weighted_sum: no points, but value and
								 * moment */
	int64		count;			/* sum of the samples' weights */
	MeterDecimal value;			/* the sum, or the min, max or latest value,
								 * which is there when count > 0 */
	MeterDecimal moment;		/* weighted_sum: sum of value * time */
	TimestampTz time;			/* latest */
	int64		seq;
	MeterSketch *sketch;		/* unique_count, where it is approximate */
	MeterBag	bag;			/* last, and only allocated where used */
};

/* Is there a bag? */
static inline bool
meter_state_has_bag(const MeterState *state)
{
	return (state->function == METER_FUNCTION_UNIQUE_COUNT && !state->sketch) ||
		state->function == METER_FUNCTION_PERCENTILE ||
		(state->function == METER_FUNCTION_WEIGHTED_SUM && !state->sums);
}

/* What the bag that is there holds. */
static inline MeterBagKind
meter_state_bag_kind(const MeterState *state)
{
	return state->function == METER_FUNCTION_UNIQUE_COUNT ? METER_BAG_KEYS :
		state->function == METER_FUNCTION_PERCENTILE ? METER_BAG_VALUES :
		METER_BAG_POINTS;
}

/* state.c */
extern void meter_state_count_add(int64 *count, int64 add);
extern void meter_state_sum_add(const MeterState *state, MeterDecimal *sum,
								const MeterDecimal *add, int weight);
extern void meter_state_offer(MeterState *state, const MeterDecimal *value,
							  TimestampTz time, int64 seq);
extern void meter_state_moment_add(MeterState *state, const MeterDecimal *value,
								   TimestampTz time, int64 count);
extern void meter_state_fold_points(MeterState *state);
extern void meter_state_mismatch(const MeterState *into, MeterFunction from) pg_attribute_noreturn();

/* state_sketch.c */
extern MeterSketch *meter_sketch_create(MemoryContext context);
extern void meter_sketch_add(MeterState *state, const char *key, int len);
extern void meter_sketch_merge(MeterState *into, bytea *from);
extern bytea *meter_sketch_value(const MeterState *state);
extern int64 meter_sketch_count(const MeterState *state);
extern bool meter_sketch_is_ours(const char *bytes, uint64 len);
extern void meter_sketch_check(const MeterState *state);

/* state_bag.c */
extern void meter_bag_init(MeterBag *bag, MemoryContext context);
extern void meter_bag_add(MeterBag *bag, const char *entry, int len, int64 count);
extern void meter_bag_append(MeterBag *bag, const char *entry, int len, int64 count);
extern void meter_bag_add_key(MeterBag *bag, const char *key, int len, int64 count);
extern void meter_bag_add_value(MeterBag *bag, const MeterDecimal *value, int64 count);
extern void meter_bag_add_point(MeterBag *bag, TimestampTz time, int64 seq,
								const MeterDecimal *value, int64 count, bool absent);
extern bool meter_bag_entry_before(const MeterBagEntry *a, const MeterBagEntry *b);
extern uint32 meter_bag_sorted_keys(const MeterBag *bag, const MeterBagItem ***items);
extern uint32 meter_bag_sorted_entries(const MeterBag *bag, MeterBagKind kind,
									   MeterBagEntry **entries);

/*
 * Reading packed bytes.  Every function checks that there is what it reads,
 * and raises 22P03 where not.
 */
typedef struct MeterReader
{
	const unsigned char *p;
	const unsigned char *end;
} MeterReader;

/* Bytes that a varint of 64 bits, and a packed decimal that is no numeric, may take. */
#define METER_VARINT_MAX 10
#define METER_PACKED_DECIMAL_MAX 20

/* state_codec.c */
extern void meter_packed_malformed(const char *what) pg_attribute_noreturn();
extern char *meter_put_varint(char *to, uint64 value);
extern char *meter_put_signed(char *to, int64 value);
extern char *meter_put_decimal(char *to, const MeterDecimal *d);	/* d->big is NULL */
extern void meter_append_decimal(StringInfo buf, const MeterDecimal *d);
extern uint64 meter_get_varint(MeterReader *r);
extern int64 meter_get_signed(MeterReader *r);
extern int	meter_get_byte(MeterReader *r);
extern const char *meter_get_bytes(MeterReader *r, uint64 len);
extern void meter_get_decimal(MeterReader *r, MeterDecimal *out);

#endif							/* METER_VALUES_STATE_PRIVATE_H */
