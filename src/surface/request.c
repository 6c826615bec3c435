/*
 * request.c
 *		What every request runs through: its headers, its encoding, its answer.
 *
 * PostgREST tells of a request in settings of its transaction and reads the
 * status back from one.  What else the functions of meter_api share is SQL
 * (sql/functions/http.sql); this is the part that each request pays for, or
 * whose cost grows with what a caller sends.
 */
#include "surface/http.h"

#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "values/text.h"

PG_FUNCTION_INFO_V1(meter_http_decode);

/* meter.http_decode(encoded); a percent sign that encodes nothing stays. */
Datum
meter_http_decode(PG_FUNCTION_ARGS)
{
	text	   *encoded = PG_GETARG_TEXT_PP(0);
	const char *in = VARDATA_ANY(encoded);
	int			len = VARSIZE_ANY_EXHDR(encoded);
	text	   *result = palloc(VARHDRSZ + len);
	char	   *out = VARDATA(result);

	for (int i = 0; i < len; i++)
	{
		if (in[i] == '%' && i + 2 < len && meter_hex_digit(in[i + 1]) >= 0 && meter_hex_digit(in[i + 2]) >= 0)
		{
			*out++ = meter_hex_digit(in[i + 1]) << 4 | meter_hex_digit(in[i + 2]);
			i += 2;
		}
		else
			*out++ = in[i];
	}
	pg_verify_mbstr(PG_UTF8, VARDATA(result), out - VARDATA(result), false);
	SET_VARSIZE(result, out - (char *) result);
	PG_RETURN_TEXT_P(result);
}

const MeterJson *
meter_http_headers(void)
{
	const char *text = GetConfigOption("request.headers", true, false);
	MeterJson  *headers;

	if (text == NULL || text[0] == '\0')
		return NULL;
	headers = meter_json_parse_or_throw(text, strlen(text), "request.headers");
	return headers->nodes[0].type == METER_JSON_OBJECT ? headers : NULL;
}

char *
meter_http_find_header(const MeterJson *headers, const char *name)
{
	int			node = headers ? meter_json_member(headers, 0, name, strlen(name)) : -1;

	return node >= 0 && headers->nodes[node].type == METER_JSON_STRING ? meter_json_cstring(headers, node) : NULL;
}

PG_FUNCTION_INFO_V1(meter_http_header);

/* meter.http_header(name) */
Datum
meter_http_header(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	char	   *value = meter_http_find_header(meter_http_headers(), asc_tolower(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)));

	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}

void
meter_http_set_status(int status)
{
	char		text[12];

	pg_ltoa(status, text);
	(void) set_config_option("response.status", text, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

PG_FUNCTION_INFO_V1(meter_http_respond);

/* meter.http_respond(status) */
Datum
meter_http_respond(PG_FUNCTION_ARGS)
{
	meter_http_set_status(PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

/* A function of the schema meter, which the caller must be allowed to run. */
static Oid
find_function(char *name, int nargs, const Oid *types)
{
	Oid			function = LookupFuncName(list_make2(makeString("meter"), makeString(name)), nargs, types, false);
	AclResult	acl = meter_function_aclcheck(function);

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FUNCTION, name);
	return function;
}

/* Run an operation with the body of the request; null where it gives none. */
static NullableDatum
run_operation(char *name, NullableDatum body)
{
	const Oid	types[] = {JSONBOID};
	LOCAL_FCINFO(fcinfo, 1);
	FmgrInfo	function;
	NullableDatum answer;

	fmgr_info(find_function(name, lengthof(types), types), &function);
	/* the name is the caller's: what gives anything else would be read as jsonb */
	if (function.fn_retset || get_func_prokind(function.fn_oid) != PROKIND_FUNCTION ||
		get_func_rettype(function.fn_oid) != JSONBOID)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function meter.%s(jsonb) is no operation: it gives no jsonb", name)));
	if (function.fn_strict && body.isnull)
		return (NullableDatum) {.isnull = true};
	InitFunctionCallInfoData(*fcinfo, &function, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0] = body;
	answer.value = FunctionCallInvoke(fcinfo);
	answer.isnull = fcinfo->isnull;
	return answer;
}

/* The answer of meter.http_failure to an error; null: no input is to blame. */
static NullableDatum
answer_failure(const ErrorData *error, Datum envelope)
{
	const char *parts[] = {unpack_sql_state(error->sqlerrcode), error->message, error->detail, error->hint};
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	LOCAL_FCINFO(fcinfo, 5);
	FmgrInfo	function;
	NullableDatum answer;

	fmgr_info(find_function("http_failure", lengthof(types), types), &function);
	InitFunctionCallInfoData(*fcinfo, &function, lengthof(types), InvalidOid, NULL, NULL);
	for (int i = 0; i < lengthof(parts); i++)
	{
		fcinfo->args[i].isnull = parts[i] == NULL;
		if (parts[i])
			fcinfo->args[i].value = CStringGetTextDatum(parts[i]);
	}
	fcinfo->args[lengthof(parts)].value = envelope;
	fcinfo->args[lengthof(parts)].isnull = false;
	answer.value = FunctionCallInvoke(fcinfo);
	answer.isnull = fcinfo->isnull;
	return answer;
}

/* The name of the operation; it and the envelope must be given. */
static char *
read_operation(FunctionCallInfo fcinfo)
{
	meter_http_require_argument(fcinfo, 0);
	meter_http_require_argument(fcinfo, 1);
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/* Run an operation in a subtransaction, so that nothing is left of what fails but
 * its status.  read: what makes a body of the third argument; it may fail, too. */
static Datum
answer_request(FunctionCallInfo fcinfo, Datum (*read) (Datum argument))
{
	char	   *operation = read_operation(fcinfo);
	NullableDatum body = fcinfo->args[2];
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *error = NULL;
	NullableDatum answer = {0};

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (read && !body.isnull)
			body.value = read(body.value);
		answer = run_operation(operation, body);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();

	if (error)
	{
		answer = answer_failure(error, PG_GETARG_DATUM(1));
		if (answer.isnull)
			ReThrowError(error);
	}
	if (answer.isnull)
		PG_RETURN_NULL();
	return answer.value;
}

PG_FUNCTION_INFO_V1(meter_http_answer);

/* meter.http_answer(operation, envelope, body jsonb) */
Datum
meter_http_answer(PG_FUNCTION_ARGS)
{
	return answer_request(fcinfo, NULL);
}

/* A document of type json as jsonb. */
static Datum
read_json(Datum argument)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(TextDatumGetCString(argument)));
}

PG_FUNCTION_INFO_V1(meter_http_answer_json);

/* meter.http_answer(operation, envelope, body json): well-formed JSON may still be
 * no jsonb (\u0000, say), which is an error of the request as any other. */
Datum
meter_http_answer_json(PG_FUNCTION_ARGS)
{
	return answer_request(fcinfo, read_json);
}
