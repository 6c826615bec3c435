/*
 * state_pack.c
 *		Usage states as bytes.
 *
 *		version		a byte, PACK_VERSION
 *		function	a byte, with PACK_APPROXIMATE where it is so
 *		count		signed varint, the sum of the samples' weights
 *
 * and then what the function needs:
 *
 *		count				nothing
 *		sum, avg, custom	the sum, a decimal
 *		min, max			a decimal, only where count > 0
 *		latest				a decimal, time and seq as signed varints, only
 *							where count > 0
 *		unique_count		a bag of keys: a byte of length and the key, or
 *							METER_KEY_DIGEST and 32 bytes; where it is
 *							approximate the length of an hll value, a varint,
 *							and its bytes, none where there are no keys
 *		percentile			a bag of decimals
 *		weighted_sum		a byte: WEIGHTED_POINTS and a bag of time and seq
 *							(signed varints, differences to the entry before)
 *							and decimal; or WEIGHTED_SUMS and two decimals, sum
 *							of values and sum of value * time
 *
 * Times are microseconds since 2000-01-01 UTC.  A bag is the number of its
 * entries and then each entry followed by its count, a signed varint.
 * Varints and decimals are described in state_codec.c.  The form of a state
 * is unique: sets are sorted and numbers have one spelling (only hll values are
 * as hll makes them).
 *
 * There is one reader, and it merges: unpacking is merging into an empty
 * state.
 */
#include "values/state_private.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#define PACK_VERSION 1
#define PACK_APPROXIMATE 0x80

#define WEIGHTED_POINTS 0
#define WEIGHTED_SUMS 1

/* Room that the head takes at most. */
#define HEAD_MAX (2 + METER_VARINT_MAX)

/* Append a byte. */
static void
append_byte(StringInfo buf, int byte)
{
	enlargeStringInfo(buf, 1);
	buf->data[buf->len++] = (char) byte;
}

/* Append a signed varint. */
static void
append_signed(StringInfo buf, int64 value)
{
	enlargeStringInfo(buf, METER_VARINT_MAX);
	buf->len = meter_put_signed(buf->data + buf->len, value) - buf->data;
}

/* The keys, those first that are short. */
static void
pack_keys(const MeterBag *bag, StringInfo buf)
{
	const MeterBagItem **items;
	uint32		n = meter_bag_sorted_keys(bag, &items);

	enlargeStringInfo(buf, METER_VARINT_MAX);
	buf->len = meter_put_varint(buf->data + buf->len, n) - buf->data;
	for (uint32 i = 0; i < n; i++)
	{
		char	   *to;

		enlargeStringInfo(buf, items[i]->len + METER_VARINT_MAX);
		to = buf->data + buf->len;
		memcpy(to, bag->bytes + items[i]->offset, items[i]->len);
		buf->len = meter_put_signed(to + items[i]->len, items[i]->count) - buf->data;
	}
	pfree(items);
}

/* The sketch, as one hll value. */
static void
pack_sketch(const MeterState *state, StringInfo buf)
{
	bytea	   *value = meter_sketch_value(state);
	int			len = value ? VARSIZE(value) - VARHDRSZ : 0;

	enlargeStringInfo(buf, METER_VARINT_MAX);
	buf->len = meter_put_varint(buf->data + buf->len, len) - buf->data;
	if (value)
		appendBinaryStringInfo(buf, VARDATA(value), len);
}

/* The values, or the points. */
static void
pack_entries(const MeterBag *bag, MeterBagKind kind, StringInfo buf)
{
	MeterBagEntry *entries;
	uint32		n = meter_bag_sorted_entries(bag, kind, &entries);
	uint64		time = 0;
	uint64		seq = 0;

	enlargeStringInfo(buf, METER_VARINT_MAX);
	buf->len = meter_put_varint(buf->data + buf->len, n) - buf->data;
	for (uint32 i = 0; i < n; i++)
	{
		if (kind == METER_BAG_POINTS)
		{
			/* differences wrap around, and the reader's sums do so too */
			append_signed(buf, (int64) ((uint64) entries[i].time - time));
			append_signed(buf, (int64) ((uint64) entries[i].seq - seq));
			time = (uint64) entries[i].time;
			seq = (uint64) entries[i].seq;
		}
		meter_append_decimal(buf, &entries[i].value);
		append_signed(buf, entries[i].count);
	}
	pfree(entries);
}

/* Append the state's bytes. */
void
meter_state_pack(const MeterState *state, StringInfo buf)
{
	char	   *to;

	enlargeStringInfo(buf, HEAD_MAX);
	to = buf->data + buf->len;
	*to++ = PACK_VERSION;
	*to++ = (char) (state->function | (state->sketch ? PACK_APPROXIMATE : 0));
	buf->len = meter_put_signed(to, state->count) - buf->data;

	switch (state->function)
	{
		case METER_FUNCTION_SUM:
		case METER_FUNCTION_AVG:
		case METER_FUNCTION_CUSTOM:
			meter_append_decimal(buf, &state->value);
			break;
		case METER_FUNCTION_COUNT:
			break;
		case METER_FUNCTION_MIN:
		case METER_FUNCTION_MAX:
		case METER_FUNCTION_LATEST:
			if (state->count <= 0)
				break;
			meter_append_decimal(buf, &state->value);
			if (state->function == METER_FUNCTION_LATEST)
			{
				append_signed(buf, state->time);
				append_signed(buf, state->seq);
			}
			break;
		case METER_FUNCTION_UNIQUE_COUNT:
			if (state->sketch)
				pack_sketch(state, buf);
			else
				pack_keys(&state->bag, buf);
			break;
		case METER_FUNCTION_PERCENTILE:
			pack_entries(&state->bag, METER_BAG_VALUES, buf);
			break;
		case METER_FUNCTION_WEIGHTED_SUM:
			append_byte(buf, state->sums ? WEIGHTED_SUMS : WEIGHTED_POINTS);
			if (!state->sums)
			{
				pack_entries(&state->bag, METER_BAG_POINTS, buf);
				break;
			}
			meter_append_decimal(buf, &state->value);
			meter_append_decimal(buf, &state->moment);
			break;
	}
}

/* How many entries follow; each takes at least a few bytes. */
static uint64
get_bag_size(MeterReader *r, int least)
{
	uint64		n = meter_get_varint(r);

	if (n > (uint64) (r->end - r->p) / least)
		meter_packed_malformed("more entries announced than there can be");
	return n;
}

/* An entry's count, which says that it is there. */
static int64
get_entry_count(MeterReader *r)
{
	int64		count = meter_get_signed(r);

	if (count == 0)
		meter_packed_malformed("entry without a count");
	return count;
}

/*
 * Entries read into an empty bag need not be looked for as long as they
 * ascend, as those of a packed state do.  Bytes from elsewhere may do as they
 * like, so this is watched.
 */
static void
merge_keys(MeterState *into, MeterReader *r)
{
	uint64		n = get_bag_size(r, 2);
	bool		ascending = into->bag.nitems == 0;
	const char *last = NULL;

	for (uint64 i = 0; i < n; i++)
	{
		const char *entry = (const char *) r->p;
		int			len = meter_get_byte(r);

		if (len > METER_KEY_DIGEST)
			meter_packed_malformed("key too long");
		len = 1 + Min(len, METER_KEY_INLINE);
		meter_get_bytes(r, len - 1);

		/* the first byte says how long both are */
		if (ascending && last != NULL && (entry[0] < last[0] || memcmp(last, entry, len) >= 0))
			ascending = false;
		last = entry;
		if (ascending)
			meter_bag_append(&into->bag, entry, len, get_entry_count(r));
		else
			meter_bag_add(&into->bag, entry, len, get_entry_count(r));
		if ((i & 0xFFF) == 0xFFF)
			CHECK_FOR_INTERRUPTS();
	}
}

/* An hll value, of the shape that all of ours have. */
static void
merge_sketch(MeterState *into, MeterReader *r)
{
	uint64		len = meter_get_varint(r);
	const char *bytes = meter_get_bytes(r, len);
	bytea	   *value;

	if (len == 0)
		return;
	if (!meter_sketch_is_ours(bytes, len))
		meter_packed_malformed("sketch of a wrong shape");
	value = palloc(VARHDRSZ + len);
	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), bytes, len);
	meter_sketch_merge(into, value);
	pfree(value);
}

/* As merge_keys, for values. */
static void
merge_values(MeterState *into, MeterReader *r)
{
	uint64		n = get_bag_size(r, 3);
	bool		ascending = into->bag.nitems == 0;
	MeterBagEntry last = {0};

	for (uint64 i = 0; i < n; i++)
	{
		const char *bytes = (const char *) r->p;
		int			len;
		MeterBagEntry entry = {0};

		meter_get_decimal(r, &entry.value);
		if (!meter_decimal_is_trimmed(&entry.value))
			meter_packed_malformed("number in a form that is not its own");
		len = (const char *) r->p - bytes;
		entry.count = get_entry_count(r);
		if (ascending && i > 0 && !meter_bag_entry_before(&last, &entry))
			ascending = false;
		last = entry;
		if (ascending)
			meter_bag_append(&into->bag, bytes, len, entry.count);
		else
			meter_bag_add(&into->bag, bytes, len, entry.count);
		if ((i & 0xFFF) == 0xFFF)
			CHECK_FOR_INTERRUPTS();
	}
}

/* A finite time that the server can show. */
static TimestampTz
check_time(int64 time)
{
	if (!IS_VALID_TIMESTAMP(time))
		meter_packed_malformed("time out of range");
	return time;
}

/* As merge_keys, for points; sums take them as well. */
static void
merge_points(MeterState *into, MeterReader *r)
{
	uint64		n = get_bag_size(r, 5);
	bool		ascending = !into->sums && into->bag.nitems == 0;
	MeterBagEntry last = {0};

	for (uint64 i = 0; i < n; i++)
	{
		MeterBagEntry entry;

		entry.time = (int64) ((uint64) last.time + (uint64) meter_get_signed(r));
		entry.seq = (int64) ((uint64) last.seq + (uint64) meter_get_signed(r));
		check_time(entry.time);
		meter_get_decimal(r, &entry.value);
		entry.count = get_entry_count(r);
		if (ascending && i > 0 && !meter_bag_entry_before(&last, &entry))
			ascending = false;
		last = entry;
		if (into->sums)
			meter_state_moment_add(into, &entry.value, entry.time, entry.count);
		else
			meter_bag_add_point(&into->bag, entry.time, entry.seq, &entry.value,
								entry.count, ascending);
		if ((i & 0xFFF) == 0xFFF)
			CHECK_FOR_INTERRUPTS();
	}
}

/* Points, or sums. */
static void
merge_weighted(MeterState *into, MeterReader *r)
{
	MeterDecimal value;
	MeterDecimal moment;

	switch (meter_get_byte(r))
	{
		case WEIGHTED_POINTS:
			merge_points(into, r);
			break;
		case WEIGHTED_SUMS:
			meter_get_decimal(r, &value);
			meter_get_decimal(r, &moment);
			meter_state_fold_points(into);
			meter_state_sum_add(into, &into->value, &value, 1);
			meter_state_sum_add(into, &into->moment, &moment, 1);
			break;
		default:
			meter_packed_malformed("unknown kind of weighted_sum");
	}
}

/* min, max and latest: there is a value only where there are samples. */
static void
merge_single(MeterState *into, MeterReader *r, int64 count)
{
	MeterDecimal value;
	TimestampTz time = 0;
	int64		seq = 0;

	if (count < 0)
		meter_packed_malformed("negative count");
	if (count == 0)
		return;
	meter_get_decimal(r, &value);
	if (into->function == METER_FUNCTION_LATEST)
	{
		time = meter_get_signed(r);
		if (!TIMESTAMP_NOT_FINITE(time))
			check_time(time);
		seq = meter_get_signed(r);
	}
	meter_state_offer(into, &value, time, seq);
}

/* The function that packed bytes are of, having checked their head. */
static MeterFunction
get_head(MeterReader *r, bool *approximate)
{
	int			function;

	if (meter_get_byte(r) != PACK_VERSION)
		meter_packed_malformed("unknown version");
	function = meter_get_byte(r);
	*approximate = function == (METER_FUNCTION_UNIQUE_COUNT | PACK_APPROXIMATE);
	if (*approximate)
		function = METER_FUNCTION_UNIQUE_COUNT;
	if (function > METER_FUNCTION_CUSTOM)
		meter_packed_malformed("unknown function");
	return function;
}

/* Merge what follows the head. */
static void
merge_body(MeterState *into, MeterReader *r)
{
	int64		count = meter_get_signed(r);
	MeterDecimal value;

	switch (into->function)
	{
		case METER_FUNCTION_SUM:
		case METER_FUNCTION_AVG:
		case METER_FUNCTION_CUSTOM:
			meter_get_decimal(r, &value);
			meter_state_sum_add(into, &into->value, &value, 1);
			break;
		case METER_FUNCTION_COUNT:
			break;
		case METER_FUNCTION_MIN:
		case METER_FUNCTION_MAX:
		case METER_FUNCTION_LATEST:
			merge_single(into, r, count);
			break;
		case METER_FUNCTION_UNIQUE_COUNT:
			if (into->sketch && count < 0)
				meter_packed_malformed("negative count");
			if (into->sketch)
				merge_sketch(into, r);
			else
				merge_keys(into, r);
			break;
		case METER_FUNCTION_PERCENTILE:
			merge_values(into, r);
			break;
		case METER_FUNCTION_WEIGHTED_SUM:
			merge_weighted(into, r);
			break;
	}
	if (r->p != r->end)
		meter_packed_malformed("bytes behind its end");
	meter_state_count_add(&into->count, count);
}

/* Bytes to state. */
MeterState *
meter_state_unpack(const char *data, int len, MemoryContext context)
{
	MeterReader r = {(const unsigned char *) data, (const unsigned char *) data + len};
	bool		approximate;
	MeterFunction function = get_head(&r, &approximate);
	MeterState *state = approximate ? meter_state_create_approximate(context) :
		meter_state_create(function, context);

	merge_body(state, &r);
	return state;
}

/* Merge bytes into a state of the same function and kind. */
void
meter_state_merge_packed(MeterState *into, const char *data, int len)
{
	MeterReader r = {(const unsigned char *) data, (const unsigned char *) data + len};
	bool		approximate;
	MeterFunction function = get_head(&r, &approximate);

	if (unlikely(function != into->function || approximate != (into->sketch != NULL)))
		meter_state_mismatch(into, function);
	merge_body(into, &r);
}
