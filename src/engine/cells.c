/*
 * cells.c
 *		Cells of rollup rows.
 *
 * A cell is: version (varint), profile * 4 + quarter (one byte), length
 * (varint), state.  An hour is cut into quarters because every zone's offset
 * of today is a multiple of fifteen minutes: days of all zones are then made
 * of whole cells.
 */
#include "engine/cells.h"

#include "fmgr.h"
#include "utils/memutils.h"

static void
put_varint(StringInfo buf, uint32 value)
{
	while (value >= 0x80)
	{
		appendStringInfoCharMacro(buf, (char) (value | 0x80));
		value >>= 7;
	}
	appendStringInfoCharMacro(buf, (char) value);
}

static bool
get_varint(MeterText *rest, uint32 *value)
{
	*value = 0;
	for (int shift = 0; shift < 32 && rest->len > 0; shift += 7)
	{
		unsigned char c = *rest->data++;

		rest->len--;
		*value |= (uint32) (c & 0x7F) << shift;
		if (c < 0x80)
			return true;
	}
	return false;
}

/* Append a packed state as a cell. */
static void
append_packed(StringInfo buf, const MeterCell *cell)
{
	put_varint(buf, (uint32) cell->version_id);
	appendStringInfoCharMacro(buf, (char) (cell->profile << 2 | cell->quarter));
	put_varint(buf, cell->len);
	appendBinaryStringInfo(buf, cell->state, cell->len);
}

/* Append a state as a cell. */
void
meter_cell_append(StringInfo buf, int32 version_id, uint8 profile, uint8 quarter,
				  const MeterState *state)
{
	StringInfoData packed;
	MeterCell	cell = {.version_id = version_id, .profile = profile, .quarter = quarter};

	initStringInfo(&packed);
	meter_state_pack(state, &packed);
	cell.state = packed.data;
	cell.len = packed.len;
	append_packed(buf, &cell);
	pfree(packed.data);
}

/* Take the next cell off. */
bool
meter_cell_next(MeterText *rest, MeterCell *cell)
{
	uint32		version;
	uint32		len;

	if (rest->len == 0)
		return false;
	if (get_varint(rest, &version) && rest->len > 0)
	{
		unsigned char tag = *rest->data++;

		rest->len--;
		if (get_varint(rest, &len) && len <= (uint32) rest->len)
		{
			cell->version_id = (int32) version;
			cell->profile = tag >> 2;
			cell->quarter = tag & 3;
			cell->state = rest->data;
			cell->len = len;
			rest->data += len;
			rest->len -= len;
			return true;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("rollup cells are damaged")));
}

static int
cell_cmp(const MeterCell *a, const MeterCell *b)
{
	if (a->version_id != b->version_id)
		return a->version_id < b->version_id ? -1 : 1;
	if (a->profile != b->profile)
		return a->profile - b->profile;
	return a->quarter - b->quarter;
}

PG_FUNCTION_INFO_V1(meter_rollup_cells);

/*
 * meter.rollup_cells(bytea, bytea): both in one, cells of the same version,
 * profile and quarter merged.
 */
Datum
meter_rollup_cells(PG_FUNCTION_ARGS)
{
	bytea	   *a = PG_GETARG_BYTEA_PP(0);
	bytea	   *b = PG_GETARG_BYTEA_PP(1);
	MeterText	arest = {VARDATA_ANY(a), VARSIZE_ANY_EXHDR(a)};
	MeterText	brest = {VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b)};
	MeterCell	acell,
				bcell;
	bool		amore = meter_cell_next(&arest, &acell);
	bool		bmore = meter_cell_next(&brest, &bcell);
	StringInfoData buf;

	initStringInfo(&buf);
	enlargeStringInfo(&buf, VARHDRSZ);
	buf.len = VARHDRSZ;
	while (amore || bmore)
	{
		int			cmp = !amore ? 1 : !bmore ? -1 : cell_cmp(&acell, &bcell);

		if (cmp == 0)
		{
			MeterState *state = meter_state_unpack(acell.state, acell.len, CurrentMemoryContext);

			meter_state_merge_packed(state, bcell.state, bcell.len);
			meter_cell_append(&buf, acell.version_id, acell.profile, acell.quarter, state);
		}
		else
			append_packed(&buf, cmp < 0 ? &acell : &bcell);
		if (cmp <= 0)
			amore = meter_cell_next(&arest, &acell);
		if (cmp >= 0)
			bmore = meter_cell_next(&brest, &bcell);
	}
	SET_VARSIZE(buf.data, buf.len);
	PG_RETURN_BYTEA_P(buf.data);
}
