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

#include "values/varint.h"

/* Append a packed state as a cell. */
static void
append_packed(StringInfo buf, const MeterCell *cell)
{
	meter_varint_put(buf, (uint32) cell->version_id);
	appendStringInfoCharMacro(buf, (char) (cell->profile << 2 | cell->quarter));
	meter_varint_put(buf, cell->len);
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
	uint64		version;
	uint64		len;

	if (rest->len == 0)
		return false;
	if (meter_varint_get(rest, &version) && rest->len > 0)
	{
		unsigned char tag = *rest->data++;

		rest->len--;
		if (meter_varint_get(rest, &len) && len <= (uint64) rest->len)
		{
			cell->version_id = (int32) version;
			cell->profile = tag >> 2;
			cell->quarter = tag & 3;
			cell->state = rest->data;
			cell->len = (int) len;
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

/* The cells of both in one; see cells.h. */
MeterText
meter_cells_merge(MeterText a, MeterText b)
{
	MeterCell	acell,
				bcell;
	bool		amore = meter_cell_next(&a, &acell);
	bool		bmore = meter_cell_next(&b, &bcell);
	StringInfoData buf;

	initStringInfo(&buf);
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
			amore = meter_cell_next(&a, &acell);
		if (cmp >= 0)
			bmore = meter_cell_next(&b, &bcell);
	}
	return (MeterText) {buf.data, buf.len};
}
