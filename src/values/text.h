/*
 * text.h
 *		A piece of text that belongs to somebody else.
 */
#ifndef METER_VALUES_TEXT_H
#define METER_VALUES_TEXT_H

#include "compat.h"

/* Not NUL-terminated; NULL data means there is none (SQL null). */
typedef struct MeterText
{
	const char *data;
	int			len;
} MeterText;

#endif							/* METER_VALUES_TEXT_H */
