/*
 * uuid.c
 *		UUIDs in their canonical spelling, the only one that meter takes.
 *
 * uuid_in() also takes braces, no hyphens or others: spellings that JSON Schema
 * and the public documents of APIs do not know, and by which one id would have
 * several names.
 */
#include "values/uuid.h"

#include "fmgr.h"

#include "values/text.h"

bool
meter_uuid_parse(const char *text, int len, pg_uuid_t *uuid)
{
	pg_uuid_t	read = {{0}};
	int			digits = 0;

	if (len != METER_UUID_TEXT_LEN)
		return false;
	for (int i = 0; i < len; i++)
	{
		int			value = meter_hex_digit(text[i]);

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (text[i] != '-')
				return false;
			continue;
		}
		if (value < 0)
			return false;
		read.data[digits / 2] = read.data[digits / 2] << 4 | value;
		digits++;
	}
	if (uuid)
		*uuid = read;
	return true;
}

PG_FUNCTION_INFO_V1(meter_uuid_or_null);

/* meter.uuid_or_null(text) */
Datum
meter_uuid_or_null(PG_FUNCTION_ARGS)
{
	text	   *given = PG_GETARG_TEXT_PP(0);
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));

	if (!meter_uuid_parse(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), result))
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(result);
}
