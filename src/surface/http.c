/*
 * http.c
 *		SQL: whom a request is for, and what an error is over HTTP.
 *
 * Nothing here reads the catalog, so that an error can be put into other words
 * where it is caught, before its transaction is cleaned up.
 */
#include "surface/http.h"

#include <ctype.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "definitions/tenant.h"
#include "values/timestamp.h"
#include "values/uuid.h"

/* Errors quote what they are about; a client that sent a megabyte knows it. */
#define LONGEST_TEXT 2000

void
meter_http_require_scope(const char *scope, bool by_name)
{
	MeterScopeClaim held = meter_tenant_scope(scope);

	if (held == METER_SCOPE_HELD || meter_tenant_scope("admin") == METER_SCOPE_HELD)
		return;
	/* without a claim of scopes the role decides */
	if (held == METER_SCOPE_SILENT && (!by_name || meter_tenant_trusted()))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the claims lack the scope %s", scope),
			 errdetail("INSUFFICIENT_SCOPE.")));
}

static void
find_organization(const pg_uuid_t *wanted, pg_uuid_t *organization)
{
	if (wanted)
		*organization = *wanted;
	else if (meter_tenant_claims(organization) != METER_CLAIMS_TENANT)
	{
		/* says what is wrong with the claims; the null UUID is nobody's */
		memset(organization, 0, sizeof(*organization));
		meter_tenant_require(organization);
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the request names no organization"),
				 errdetail("ORGANIZATION_REQUIRED.")));
	}
	meter_tenant_require(organization);
}

void
meter_http_organization(const pg_uuid_t *wanted, const char *scope, bool by_name, pg_uuid_t *organization)
{
	find_organization(wanted, organization);
	meter_http_require_scope(scope, by_name);
}

void
meter_http_require_argument(FunctionCallInfo fcinfo, int i)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument %d must not be null", i + 1)));
}

PG_FUNCTION_INFO_V1(meter_http_organization_sql);

/* meter.http_organization(wanted, scope, by_name) */
Datum
meter_http_organization_sql(PG_FUNCTION_ARGS)
{
	char	   *wanted = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *scope;
	pg_uuid_t	organization;
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));

	meter_http_require_argument(fcinfo, 1);
	meter_http_require_argument(fcinfo, 2);
	scope = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (wanted && !meter_uuid_parse(wanted, strlen(wanted), &organization))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid organization \"%.*s\": expected a UUID", pg_mbcliplen(wanted, strlen(wanted), 100), wanted),
				 errdetail("INVALID_ORGANIZATION.")));
	meter_http_organization(wanted ? &organization : NULL, scope, PG_GETARG_BOOL(2), result);
	PG_RETURN_UUID_P(result);
}

/* The HTTP status of an error; 0 for what no input is to blame for. */
static int
http_status(int sqlstate, const char *code)
{
	if (strcmp(code, "ORGANIZATION_REQUIRED") == 0 || strcmp(code, "INVALID_CLAIMS") == 0)
		return 401;
	if (strcmp(code, "VERSION_MISMATCH") == 0)
		return 409;
	switch (sqlstate)
	{
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
			return 403;
		case ERRCODE_UNDEFINED_OBJECT:
			return 404;
		case ERRCODE_READ_ONLY_SQL_TRANSACTION:
			return 405;
		case ERRCODE_UNIQUE_VIOLATION:
		case ERRCODE_FOREIGN_KEY_VIOLATION:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OBJECT_IN_USE:
		case ERRCODE_AMBIGUOUS_FUNCTION:
			return 409;
		case ERRCODE_CONFIGURATION_LIMIT_EXCEEDED:
			return 429;
	}
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return 400;
	}
	return 0;
}

/* The code an error's DETAIL begins with: CODE. or CODE at ….  NULL without. */
static char *
leading_code(const char *detail)
{
	size_t		len = strspn(detail, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.");
	size_t		whole = strlen(detail);

	if (whole == 0 || detail[whole - 1] != '.')
		return NULL;
	if (len == whole)
		len--;
	else if (strncmp(detail + len, " at ", 4) != 0)
		return NULL;
	if (len < 2 || !isupper((unsigned char) detail[0]) || !isupper((unsigned char) detail[len - 1]))
		return NULL;
	return pnstrdup(detail, len);
}

/* The text at a path of a DETAIL that is a JSON object, NULL where there is none. */
static char *
detail_text(const char *detail, const char *outer, const char *inner)
{
	MeterJson	doc = {0};
	MeterError	err;
	int			node;

	if (detail[0] != '{' || !meter_json_parse(&doc, detail, strlen(detail), &err))
		return NULL;
	node = meter_json_member(&doc, 0, outer, strlen(outer));
	if (node >= 0 && inner)
		node = doc.nodes[node].type == METER_JSON_OBJECT ? meter_json_member(&doc, node, inner, strlen(inner)) : -1;
	return node >= 0 && doc.nodes[node].type == METER_JSON_STRING ? meter_json_cstring(&doc, node) : NULL;
}

/* The stable code of an error by its SQLSTATE and DETAIL (may be NULL). */
static const char *
http_code(int sqlstate, const char *detail)
{
	char	   *code = detail ? leading_code(detail) : NULL;

	if (code == NULL && detail)
		code = detail_text(detail, "code", NULL);
	if (code)
		return code;
	switch (sqlstate)
	{
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
			return "FORBIDDEN";
		case ERRCODE_UNDEFINED_OBJECT:
			return "NOT_FOUND";
		case ERRCODE_READ_ONLY_SQL_TRANSACTION:
			return "METHOD_NOT_ALLOWED";
		case ERRCODE_UNIQUE_VIOLATION:
			return "ALREADY_EXISTS";
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
			return "CONFLICT";
		case ERRCODE_OBJECT_IN_USE:
			return "IN_USE";
		case ERRCODE_AMBIGUOUS_FUNCTION:
			return "AMBIGUOUS";
		case ERRCODE_CONFIGURATION_LIMIT_EXCEEDED:
			return "QUOTA_EXCEEDED";
		case ERRCODE_FEATURE_NOT_SUPPORTED:
			return "NOT_SUPPORTED";
	}
	return "INVALID_REQUEST";
}

/* In how many seconds the window of a refused report ends; 0 where its DETAIL does
 * not tell. */
static int
http_retry_after(const char *detail)
{
	char	   *end = detail ? detail_text(detail, "window", "end") : NULL;
	TimestampTz time;
	int64		wait;
	MeterError	err;

	if (end == NULL || !meter_timestamp_parse(end, strlen(end), &time, &err))
		return 0;
	wait = (time - GetCurrentTimestamp() + USECS_PER_SEC - 1) / USECS_PER_SEC;
	return wait > PG_INT32_MAX ? 0 : Max(wait, 1);
}

/* Append a member of an object: a text, cut where it is very long, or null. */
static void
append_member(StringInfo buf, const char *name, const char *value)
{
	appendStringInfo(buf, "%c\"%s\":", buf->len == 0 ? '{' : ',', name);
	if (value && value[0] != '\0')
		escape_json(buf, pnstrdup(value, pg_mbcliplen(value, strlen(value), LONGEST_TEXT)));
	else
		appendStringInfoString(buf, "null");
}

MeterHttpError
meter_http_catch(MemoryContext context)
{
	MeterHttpError result;
	ErrorData  *err;

	MemoryContextSwitchTo(context);
	err = CopyErrorData();
	result.sqlstate = err->sqlerrcode;
	result.message = err->message;
	result.detail = err->detail;
	result.hint = err->hint;
	result.code = http_code(result.sqlstate, result.detail);
	result.status = http_status(result.sqlstate, result.code);
	if (result.status == 0)
		PG_RE_THROW();
	FlushErrorState();
	return result;
}

void
meter_http_throw(const MeterHttpError *error)
{
	int			wait = error->sqlstate == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED ? http_retry_after(error->detail) : 0;
	StringInfoData body;

	initStringInfo(&body);
	append_member(&body, "code", error->code);
	append_member(&body, "message", error->message);
	append_member(&body, "details", error->detail);
	append_member(&body, "hint", error->hint);
	appendStringInfoChar(&body, '}');
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')),
			 errmsg_internal("%s", body.data),
			 errdetail_internal("{\"status\":%d,\"headers\":{%s}}", error->status,
								wait > 0 ? psprintf("\"Retry-After\":\"%d\"", wait) : "")));
}

/* A text argument, NULL where it is null. */
static char *
text_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/* An argument that is a SQLSTATE. */
static int
sqlstate_argument(FunctionCallInfo fcinfo, int i)
{
	char	   *state = text_argument(fcinfo, i);

	if (state == NULL || strlen(state) != 5)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid SQLSTATE: expected five characters")));
	return MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
}

PG_FUNCTION_INFO_V1(meter_http_status_sql);

/* meter.http_status(sqlstate, code) */
Datum
meter_http_status_sql(PG_FUNCTION_ARGS)
{
	int			status = http_status(sqlstate_argument(fcinfo, 0), text_to_cstring(PG_GETARG_TEXT_PP(1)));

	if (status == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(status);
}

PG_FUNCTION_INFO_V1(meter_http_code_sql);

/* meter.http_code(sqlstate, detail) */
Datum
meter_http_code_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(http_code(sqlstate_argument(fcinfo, 0), text_argument(fcinfo, 1))));
}

PG_FUNCTION_INFO_V1(meter_http_retry_after_sql);

/* meter.http_retry_after(detail) */
Datum
meter_http_retry_after_sql(PG_FUNCTION_ARGS)
{
	int			wait = http_retry_after(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (wait == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(wait);
}

PG_FUNCTION_INFO_V1(meter_http_raise);

/* meter.http_raise(state, message, detail, hint) */
Datum
meter_http_raise(PG_FUNCTION_ARGS)
{
	MeterHttpError error = {
		.sqlstate = sqlstate_argument(fcinfo, 0),
		.message = text_argument(fcinfo, 1),
		.detail = text_argument(fcinfo, 2),
		.hint = text_argument(fcinfo, 3)
	};

	error.code = http_code(error.sqlstate, error.detail);
	error.status = http_status(error.sqlstate, error.code);
	if (error.status == 0)
		error.status = 500;
	meter_http_throw(&error);
	PG_RETURN_VOID();
}
