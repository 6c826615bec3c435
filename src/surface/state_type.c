/*
 * state_type.c
 *		The SQL type meter.usage_state: packed bytes (see state_pack.c) in a
 *		varlena.
 */
#include "surface/state_type.h"

#include "libpq/pqformat.h"

PG_FUNCTION_INFO_V1(meter_usage_state_in);
PG_FUNCTION_INFO_V1(meter_usage_state_out);
PG_FUNCTION_INFO_V1(meter_usage_state_recv);
PG_FUNCTION_INFO_V1(meter_usage_state_send);

/* A state as the type's value. */
bytea *
meter_usage_state_make(const MeterState *state)
{
	StringInfoData buf;

	/* the head of the string becomes the varlena's, which saves a copy */
	initStringInfo(&buf);
	appendStringInfoSpaces(&buf, VARHDRSZ);
	meter_state_pack(state, &buf);
	SET_VARSIZE(buf.data, buf.len);
	return (bytea *) buf.data;
}

/* The type's value as a state. */
MeterState *
meter_usage_state_open(bytea *value, MemoryContext context)
{
	return meter_state_unpack(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), context);
}

/* usage_state_in(cstring) */
Datum
meter_usage_state_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);

	PG_RETURN_BYTEA_P(meter_usage_state_make(meter_state_from_text(text, strlen(text),
																   CurrentMemoryContext)));
}

/* usage_state_out(usage_state) */
Datum
meter_usage_state_out(PG_FUNCTION_ARGS)
{
	MeterState *state = meter_usage_state_open(PG_GETARG_BYTEA_PP(0), CurrentMemoryContext);
	StringInfoData buf;

	initStringInfo(&buf);
	meter_state_to_text(state, &buf);
	PG_RETURN_CSTRING(buf.data);
}

/* Whatever a client sends is unpacked, checked and packed again. */
Datum
meter_usage_state_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len = buf->len - buf->cursor;
	MeterState *state = meter_state_unpack(pq_getmsgbytes(buf, len), len, CurrentMemoryContext);

	meter_state_check_keys(state);
	PG_RETURN_BYTEA_P(meter_usage_state_make(state));
}

/* usage_state_send(usage_state): the bytes are portable as they are. */
Datum
meter_usage_state_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(PG_GETARG_BYTEA_P_COPY(0));
}
