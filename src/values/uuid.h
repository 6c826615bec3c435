/*
 * uuid.h
 *		UUIDs in their canonical spelling, the only one that meter takes.
 */
#ifndef METER_VALUES_UUID_H
#define METER_VALUES_UUID_H

#include "compat.h"

#include "utils/uuid.h"

#define METER_UUID_TEXT_LEN 36

/* Read a UUID of 32 hexadecimal digits of either case and four hyphens; false
 * where the text is anything else.  uuid may be NULL. */
extern bool meter_uuid_parse(const char *text, int len, pg_uuid_t *uuid);

#endif							/* METER_VALUES_UUID_H */
