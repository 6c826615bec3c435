/*
 * currency.h
 *		ISO 4217 currency codes.
 */
#ifndef METER_VALUES_CURRENCY_H
#define METER_VALUES_CURRENCY_H

#include "compat.h"

/* Is this one of the three-letter codes? */
extern bool meter_currency_known(const char *code, int len);

#endif							/* METER_VALUES_CURRENCY_H */
