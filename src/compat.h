/*
 * compat.h
 *		Differences between the PostgreSQL versions meter builds on, in one
 *		place.
 */
#ifndef METER_COMPAT_H
#define METER_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM >= 180000
#define METER_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "meter", .version = "0.1.0")
#else
#define METER_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* May the caller execute the function?  16 asks it of all kinds of objects alike. */
#if PG_VERSION_NUM >= 160000
#define meter_function_aclcheck(function) object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE)
#else
#define meter_function_aclcheck(function) pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE)
#endif

/* 18 has pg_noreturn in its place, which may only stand in front. */
#ifndef pg_attribute_noreturn
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

#ifndef HAVE_INT128
#error "meter needs a compiler with a 128-bit integer type"
#endif

#endif							/* METER_COMPAT_H */
