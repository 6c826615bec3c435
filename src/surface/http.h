/*
 * http.h
 *		What the functions of meter_api share: whom a request is for, and how an
 *		error is said to PostgREST.
 */
#ifndef METER_SURFACE_HTTP_H
#define METER_SURFACE_HTTP_H

#include "compat.h"

#include "fmgr.h"
#include "utils/uuid.h"

#include "values/json.h"

/*
 * The organization of a request: the one it names (wanted), else (NULL) the
 * claims'.  Raises 42501 where it is not the caller's, there is none, or the
 * claims lack the scope (as below).
 */
extern void meter_http_organization(const pg_uuid_t *wanted, const char *scope, bool by_name,
									pg_uuid_t *organization);

/* Raise 42501 where the claims speak of scopes and hold neither this one nor
 * admin; with by_name also where they are silent and the role is not trusted. */
extern void meter_http_require_scope(const char *scope, bool by_name);

/* The headers of the request; NULL where there are none. */
extern const MeterJson *meter_http_headers(void);

/* A header by its name in lower case, as PostgREST writes them; NULL where there is
 * none such.  headers may be NULL. */
extern char *meter_http_find_header(const MeterJson *headers, const char *name);

/* An error in a request's words. */
typedef struct MeterHttpError
{
	int			status;
	const char *code;
	int			sqlstate;
	const char *message;
	const char *detail;			/* may be NULL, as the hint */
	const char *hint;
} MeterHttpError;

/* In PG_CATCH(): the error that was caught, in the context from before; one that
 * no input is to blame for goes on as it is.  meter_http_throw() must follow. */
extern MeterHttpError meter_http_catch(MemoryContext context);

/* Raise an error as PostgREST wants it said. */
extern void meter_http_throw(const MeterHttpError *error) pg_attribute_noreturn();

/* Raise 22004 where an argument is null. */
extern void meter_http_require_argument(FunctionCallInfo fcinfo, int i);

/* Set the status of the response. */
extern void meter_http_set_status(int status);

#endif							/* METER_SURFACE_HTTP_H */
