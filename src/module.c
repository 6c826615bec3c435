/*
 * module.c
 *		The library's entry: magic block and initialisation.
 */
#include "compat.h"

#include "fmgr.h"

METER_MODULE_MAGIC;
