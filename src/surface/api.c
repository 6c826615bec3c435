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

#include "surface/http.h"

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
		if (source < 0 && given->n == 1 && given->names[0][0] == '\0')
			source = 0;
		if (source < 0 || given->types[source] != wanted->types[i])
			return false;
		call->sources[i] = source;
		used++;
	}
	return used + (call->organization >= 0 ? 1 : 0) == given->n &&
		(call->organization < 0 || (call->for_organization && given->types[call->organization] == UUIDOID));
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

/* Call the namesake. */
static Datum
call_target(FunctionCallInfo fcinfo, const char *scope)
{
	ApiCall    *call = fcinfo->flinfo->fn_extra ? fcinfo->flinfo->fn_extra : prepare_call(fcinfo->flinfo);
	const pg_uuid_t *wanted = NULL;
	pg_uuid_t	organization;
	Datum		result;

	LOCAL_FCINFO(inner, FUNC_MAX_ARGS);

	/* whatever it would have found to complain of: a GET changes nothing */
	if (XactReadOnly && func_volatile(fcinfo->flinfo->fn_oid) == PROVOLATILE_VOLATILE)
		PreventCommandIfReadOnly(get_func_name(fcinfo->flinfo->fn_oid));
	if (call->organization >= 0 && !PG_ARGISNULL(call->organization))
		wanted = PG_GETARG_UUID_P(call->organization);
	if (call->for_organization)
		meter_http_organization(wanted, scope, false, &organization);
	else
		meter_http_require_scope(scope, false);

	InitFunctionCallInfoData(*inner, &call->target, call->nargs, fcinfo->fncollation, fcinfo->context, fcinfo->resultinfo);
	for (int i = 0; i < call->nargs; i++)
	{
		if (call->sources[i] >= 0)
			inner->args[i] = fcinfo->args[call->sources[i]];
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
