/*
 * text.h
 *		A piece of text that belongs to somebody else.
 */
#ifndef METER_VALUES_TEXT_H
#define METER_VALUES_TEXT_H

#include "compat.h"

#include "utils/hsearch.h"

/* Not NUL-terminated; NULL data means there is none (SQL null). */
typedef struct MeterText
{
	const char *data;
	int			len;
} MeterText;

static inline bool
meter_text_same(MeterText a, MeterText b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The value of a hexadecimal digit of either case, or -1. */
static inline int
meter_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* An empty hash table whose entries of that size begin with the MeterText they
 * are found by; what that points to is not copied. */
extern HTAB *meter_text_table(const char *name, Size entry, MemoryContext context);

#endif							/* METER_VALUES_TEXT_H */
