/*
 * api.c
 *		SQL: functions of meter_api that are functions of meter.
 *
 * A function of meter_api whose C function is one of these runs its namesake
 * of the schema meter: the one whose arguments have the names and types of its
 * own, in any order.  What it adds is what a request needs: organization_id
 * comes from the claims where it is not given, the claims must hold the scope
 * that the C function is called by, and errors are raised as PostgREST wants
 * them said.  So an operation over HTTP is a declaration, and what it does
 * stands in one place.
 *
 * An error is put into other words and raised again, without a subtransaction:
 * the transaction is lost anyway, and a report pays nothing for it.
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "surface/http.h"
#include "values/json.h"

#define ORGANIZATION "organization_id"

/* A function's arguments, without those that are results. */
typedef struct Arguments
{
	int			n;
	Oid		   *types;
	char	  **names;			/* empty where it has none */
} Arguments;

/* What a function of meter_api calls, kept as long as its plan. */
typedef struct ApiCall
{
	FmgrInfo	target;
	int			nargs;
	int			sources[FUNC_MAX_ARGS]; /* which argument; -1: the organization */
	int			organization;	/* which argument names it; -1: none */
	bool		for_organization;	/* the target takes one */
	bool		body;			/* the only argument is the body of a request */
} ApiCall;

static Arguments
function_arguments(HeapTuple tuple)
{
	Arguments	result;
	char	   *modes;

	(void) get_func_arg_info(tuple, &result.types, &result.names, &modes);
	result.n = ((Form_pg_proc) GETSTRUCT(tuple))->pronargs;
	if (result.names == NULL)
	{
		result.names = palloc(result.n * sizeof(char *));
		for (int i = 0; i < result.n; i++)
			result.names[i] = "";
	}
	return result;
}

static int
find_argument(const Arguments *arguments, const char *name)
{
	for (int i = 0; i < arguments->n; i++)
		if (strcmp(arguments->names[i], name) == 0)
			return i;
	return -1;
}

/* Can the target be called with these arguments, each used?  The only one may be
 * without a name: the body of a request. */
static bool
map_arguments(ApiCall *call, const Arguments *given, const Arguments *wanted)
{
	int			used = 0;

	call->organization = find_argument(given, ORGANIZATION);
	call->for_organization = false;
	call->body = given->n == 1 && given->names[0][0] == '\0';
	call->nargs = wanted->n;
	for (int i = 0; i < wanted->n; i++)
	{
		int			source = find_argument(given, wanted->names[i]);

		if (strcmp(wanted->names[i], ORGANIZATION) == 0)
		{
			call->for_organization = true;
			call->sources[i] = -1;
			continue;
		}
		if (source < 0 && call->body)
			source = 0;
		if (source < 0 || given->types[source] != wanted->types[i])
			return false;
		call->sources[i] = source;
		used++;
	}
	return used + (call->organization >= 0 ? 1 : 0) == given->n &&
		(call->organization < 0 || (call->for_organization && given->types[call->organization] == UUIDOID));
}

/* The first byte from pos on that is no white space of JSON's. */
static size_t
after_blanks(const char *json, size_t len, size_t pos)
{
	while (pos < len && strchr(" \t\n\r", json[pos]) != NULL)
		pos++;
	return pos;
}

/* Find the namesake in the schema meter, and how its arguments are made. */
static Oid
find_target(ApiCall *call, Oid function)
{
	Oid			schema = get_namespace_oid("meter", false);
	HeapTuple	own = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	Arguments	given;
	CatCList   *namesakes;
	Oid			result = InvalidOid;

	if (!HeapTupleIsValid(own))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %u was dropped meanwhile", function)));
	form = (Form_pg_proc) GETSTRUCT(own);
	given = function_arguments(own);
	namesakes = SearchSysCacheList1(PROCNAMEARGSNSP, NameGetDatum(&form->proname));
	for (int i = 0; i < namesakes->n_members && !OidIsValid(result); i++)
	{
		HeapTuple	tuple = &namesakes->members[i]->tuple;
		Form_pg_proc other = (Form_pg_proc) GETSTRUCT(tuple);
		Arguments	wanted;

		if (other->pronamespace != schema || other->proisstrict != form->proisstrict ||
			other->proretset != form->proretset || other->prorettype != form->prorettype)
			continue;
		wanted = function_arguments(tuple);
		if (map_arguments(call, &given, &wanted))
			result = other->oid;
	}
	ReleaseSysCacheList(namesakes);
	ReleaseSysCache(own);
	if (!OidIsValid(result))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("the schema meter has no function with the name and arguments of %s", format_procedure(function))));
	return result;
}

static ApiCall *
prepare_call(FmgrInfo *flinfo)
{
	ApiCall    *call = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(ApiCall));
	Oid			target = find_target(call, flinfo->fn_oid);
	AclResult	allowed = meter_function_aclcheck(target);

	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FUNCTION, get_func_name(target));
	fmgr_info_cxt(target, &call->target, flinfo->fn_mcxt);
	flinfo->fn_extra = call;
	return call;
}

/*
 * A body that has no name is what a request sent, unread by PostgREST.  Where its
 * members are those of the other form, {"events": ..., "organization_id": ...},
 * it means the same as there: no event is without a type.  Result: the events,
 * or null where the body is something else; *organization is set where it is named.
 */
static text *
named_events(const text *body, pg_uuid_t **organization)
{
	const char *json = VARDATA_ANY(body);
	size_t		len = VARSIZE_ANY_EXHDR(body);
	size_t		pos = after_blanks(json, len, 0);
	text	   *events = NULL;

	if (pos >= len || json[pos] != '{')
		return NULL;
	for (pos = after_blanks(json, len, pos + 1); pos < len && json[pos] == '"'; pos = after_blanks(json, len, pos + 1))
	{
		size_t		key_end = meter_json_skip(json, len, pos);
		size_t		value = after_blanks(json, len, after_blanks(json, len, key_end) + 1);
		size_t		end = meter_json_skip(json, len, value);
		char	   *key = pnstrdup(json + pos, key_end - pos);

		if (strcmp(key, "\"events\"") == 0)
			events = cstring_to_text_with_len(json + value, end - value);
		else if (strcmp(key, "\"" ORGANIZATION "\"") != 0)
			return NULL;
		else if (json[value] != 'n')
		{
			bool		quoted = json[value] == '"';
			char	   *id = pnstrdup(json + value + quoted, end - value - 2 * quoted);

			*organization = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(id)));
		}
		pos = after_blanks(json, len, end);
	}
	return events;
}

/* Call the namesake. */
static Datum
call_target(FunctionCallInfo fcinfo, const char *scope)
{
	ApiCall    *call = fcinfo->flinfo->fn_extra ? fcinfo->flinfo->fn_extra : prepare_call(fcinfo->flinfo);
	const pg_uuid_t *wanted = NULL;
	pg_uuid_t	organization;
	pg_uuid_t  *named = NULL;
	text	   *events = NULL;
	Datum		result;

	LOCAL_FCINFO(inner, FUNC_MAX_ARGS);

	/* whatever it would have found to complain of: a GET changes nothing */
	if (XactReadOnly && func_volatile(fcinfo->flinfo->fn_oid) == PROVOLATILE_VOLATILE)
		PreventCommandIfReadOnly(get_func_name(fcinfo->flinfo->fn_oid));
	if (call->organization >= 0 && !PG_ARGISNULL(call->organization))
		wanted = PG_GETARG_UUID_P(call->organization);
	if (call->body && !PG_ARGISNULL(0) && (events = named_events(PG_GETARG_TEXT_PP(0), &named)) != NULL)
		wanted = named;
	if (call->for_organization)
		meter_http_organization(wanted, scope, false, &organization);
	else
		meter_http_require_scope(scope, false);

	InitFunctionCallInfoData(*inner, &call->target, call->nargs, fcinfo->fncollation, fcinfo->context, fcinfo->resultinfo);
	for (int i = 0; i < call->nargs; i++)
	{
		if (call->sources[i] >= 0)
		{
			inner->args[i] = fcinfo->args[call->sources[i]];
			if (events != NULL)
				inner->args[i].value = PointerGetDatum(events);
		}
		else
		{
			inner->args[i].value = UUIDPGetDatum(&organization);
			inner->args[i].isnull = false;
		}
	}
	result = FunctionCallInvoke(inner);
	fcinfo->isnull = inner->isnull;
	return result;
}

/* The same with errors as PostgREST wants them said. */
static Datum
answer(FunctionCallInfo fcinfo, const char *scope)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		result = (Datum) 0;

	PG_TRY();
	{
		result = call_target(fcinfo, scope);
	}
	PG_CATCH();
	{
		MeterHttpError error = meter_http_catch(context);

		meter_http_throw(&error);
	}
	PG_END_TRY();
	return result;
}

PG_FUNCTION_INFO_V1(meter_api_read);

/* Functions that ask. */
Datum
meter_api_read(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, "read");
}

PG_FUNCTION_INFO_V1(meter_api_report);

/* Functions that bring usage in. */
Datum
meter_api_report(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, "meter-report");
}

PG_FUNCTION_INFO_V1(meter_api_admin);

/* Functions that change definitions, or what was counted. */
Datum
meter_api_admin(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, "admin");
}
