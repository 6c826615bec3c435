/*
 * value.h
 *		A scalar as filters and expressions see it.
 */
#ifndef METER_VALUES_VALUE_H
#define METER_VALUES_VALUE_H

#include "datatype/timestamp.h"

#include "values/decimal.h"

typedef enum MeterValueType
{
	METER_VALUE_NULL,
	METER_VALUE_BOOL,
	METER_VALUE_NUMBER,
	METER_VALUE_TEXT,
	METER_VALUE_TIME
} MeterValueType;

typedef struct MeterValue
{
	MeterValueType type;
	union
	{
		bool		boolean;
		MeterDecimal number;
		struct
		{
			const char *data;	/* not NUL-terminated */
			int			len;
		}			text;
		TimestampTz time;
	}			u;
} MeterValue;

#endif							/* METER_VALUES_VALUE_H */
