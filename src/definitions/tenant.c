/*
 * tenant.c
 *		Whose rows the caller may see: the organization his claims name.
 *
 * Policies call meter.tenant_min() and meter.tenant_max() for each row that is
 * not found by an index, so the claims are parsed once and remembered by their
 * text, and the answer to "is this role trusted" is remembered by the role until
 * somebody changes roles.  The two bounds are a range, rather than one function
 * that says yes or no, since a range of the leading column of a key is found by
 * its index: a tenant's rows without those of the others.
 *
 * Whoever has a claim sees that organization and no other, whatever his role.
 * Without one, trusted roles see every organization, the others none.
 */
#include "definitions/tenant.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "values/json.h"
#include "values/uuid.h"

#define CLAIMS_SETTING "request.jwt.claims"

/* Longer claims are none of an issuer's: they come in a header.  Policies compare
 * them with those that were read last, row by row. */
#define CLAIMS_MAX 65536

/* The claims that were read last. */
typedef struct ClaimsCache
{
	MemoryContext context;		/* below CacheMemoryContext; NULL: nothing read */
	char	   *text;
	MeterClaims state;
	pg_uuid_t	organization;
	bool		scoped;			/* there is a claim of scopes */
	char	  **scopes;
	int			nscopes;
} ClaimsCache;

static ClaimsCache claims_cache;

/* The role that was asked for last, and whether it is trusted. */
static Oid	trusted_role = InvalidOid;
static bool trusted_answer;
static bool trusted_watched = false;
static uint64 role_changes = 0;

/* A member of the claims, -1 where it is missing or null. */
static int
claim(const MeterJson *doc, const char *name)
{
	int			node = meter_json_member(doc, 0, name, strlen(name));

	return node >= 0 && doc->nodes[node].type == METER_JSON_NULL ? -1 : node;
}

/* Which organization the claims name: organization_id, or org_id as some issuers
 * call it; where both stand they must agree. */
static MeterClaims
read_organization(const MeterJson *doc, pg_uuid_t *organization)
{
	static const char *const names[] = {"organization_id", "org_id"};
	MeterClaims state = METER_CLAIMS_NONE;

	for (int i = 0; i < lengthof(names); i++)
	{
		int			node = claim(doc, names[i]);
		pg_uuid_t	uuid;
		const char *text;
		int			len;

		if (node < 0)
			continue;
		if (doc->nodes[node].type != METER_JSON_STRING)
			return METER_CLAIMS_MALFORMED;
		text = meter_json_string(doc, node, &len);
		if (!meter_uuid_parse(text, len, &uuid))
			return METER_CLAIMS_MALFORMED;
		if (state == METER_CLAIMS_TENANT && memcmp(&uuid, organization, sizeof(uuid)) != 0)
			return METER_CLAIMS_MALFORMED;
		*organization = uuid;
		state = METER_CLAIMS_TENANT;
	}
	return state;
}

/* Keep the scopes of a text, which blanks divide. */
static void
add_scopes(ClaimsCache *cache, const MeterJson *doc, int node)
{
	int			len;
	const char *text;
	char	   *scope;
	char	   *rest;

	if (doc->nodes[node].type != METER_JSON_STRING)
		return;
	text = meter_json_string(doc, node, &len);
	for (scope = strtok_r(pnstrdup(text, len), " ", &rest); scope != NULL; scope = strtok_r(NULL, " ", &rest))
	{
		if (cache->nscopes % 8 == 0)
			cache->scopes = cache->scopes ?
				repalloc(cache->scopes, (cache->nscopes + 8) * sizeof(char *)) :
				palloc(8 * sizeof(char *));
		cache->scopes[cache->nscopes++] = scope;
	}
}

/* Read the claim of scopes: scope, scp or scopes, a text or an array of texts. */
static void
read_scopes(ClaimsCache *cache, const MeterJson *doc)
{
	static const char *const names[] = {"scope", "scp", "scopes"};

	for (int i = 0; i < lengthof(names); i++)
	{
		int			node = claim(doc, names[i]);

		if (node < 0)
			continue;
		cache->scoped = true;
		add_scopes(cache, doc, node);
		if (doc->nodes[node].type == METER_JSON_ARRAY)
			for (int v = node + 1; v < doc->nodes[node].next; v = doc->nodes[v].next)
				add_scopes(cache, doc, v);
	}
}

/*
 * The setting as it is now; NULL where there is none.  Policies ask for it twice
 * in each rescan of an index.  Up to 15 the server finds a setting by comparing
 * names; where it was last it mostly still is.
 */
static const char *
claims_setting(void)
{
#if PG_VERSION_NUM < 160000
	static int	place = 0;
	struct config_generic **settings = get_guc_variables();
	int			n = GetNumConfigOptions();
	const char *text;

	if (place < n && settings[place]->vartype == PGC_STRING && strcmp(settings[place]->name, CLAIMS_SETTING) == 0)
		return *((struct config_string *) settings[place])->variable;
	text = GetConfigOption(CLAIMS_SETTING, true, false);
	if (text)
		for (place = 0; place < n && strcmp(settings[place]->name, CLAIMS_SETTING) != 0;)
			place++;
	return text;
#else
	return GetConfigOption(CLAIMS_SETTING, true, false);
#endif
}

/* The claims as they are now; NULL where there are none. */
static const ClaimsCache *
current_claims(void)
{
	static const ClaimsCache too_long = {.state = METER_CLAIMS_MALFORMED};
	const char *text = claims_setting();
	MemoryContext context;
	MemoryContext old;
	ClaimsCache found = {.state = METER_CLAIMS_MALFORMED};
	MeterJson	doc = {0};
	MeterError	err;

	/* a setting that was local to a transaction is empty behind it */
	if (text == NULL || text[0] == '\0')
		return NULL;
	if (claims_cache.context && strcmp(claims_cache.text, text) == 0)
		return &claims_cache;
	if (strnlen(text, CLAIMS_MAX + 1) > CLAIMS_MAX)
		return &too_long;

	context = AllocSetContextCreate(CurrentMemoryContext, "meter claims", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	found.context = context;
	found.text = pstrdup(text);
	if (meter_json_parse(&doc, found.text, strlen(found.text), &err) && doc.nodes[0].type == METER_JSON_OBJECT)
	{
		found.state = read_organization(&doc, &found.organization);
		read_scopes(&found, &doc);
	}
	MemoryContextSwitchTo(old);

	/* from here on nothing fails */
	MemoryContextSetParent(context, CacheMemoryContext);
	if (claims_cache.context)
		MemoryContextDelete(claims_cache.context);
	claims_cache = found;
	return &claims_cache;
}

MeterClaims
meter_tenant_claims(pg_uuid_t *organization)
{
	const ClaimsCache *claims = current_claims();

	if (claims == NULL)
		return METER_CLAIMS_NONE;
	if (claims->state == METER_CLAIMS_TENANT)
		*organization = claims->organization;
	return claims->state;
}

/* Forget who is trusted: a role, or a membership, changed. */
static void
roles_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	trusted_role = InvalidOid;
	role_changes++;
}

static bool
is_member(Oid role, const char *group)
{
	Oid			oid = get_role_oid(group, true);

	return OidIsValid(oid) && has_privs_of_role(role, oid);
}

/* May this role bypass every policy of its own right? */
static bool
bypasses_policies(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_authid) GETSTRUCT(tuple))->rolbypassrls;
		ReleaseSysCache(tuple);
	}
	return result || superuser_arg(role);
}

bool
meter_tenant_trusted(void)
{
	Oid			role = GetUserId();

	if (!trusted_watched)
	{
		CacheRegisterSyscacheCallback(AUTHOID, roles_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, roles_changed, (Datum) 0);
		trusted_watched = true;
	}
	if (trusted_role != role)
	{
		uint64		before = role_changes;

		trusted_answer = bypasses_policies(role) || is_member(role, "meter_admin") ||
			is_member(role, "meter_backend");
		/* what changed while it was found out is asked again next time */
		if (role_changes == before)
			trusted_role = role;
	}
	return trusted_answer;
}

bool
meter_tenant_in_claims(const pg_uuid_t *organization)
{
	pg_uuid_t	own;

	switch (meter_tenant_claims(&own))
	{
		case METER_CLAIMS_NONE:
			return true;
		case METER_CLAIMS_TENANT:
			return memcmp(&own, organization, sizeof(own)) == 0;
		case METER_CLAIMS_MALFORMED:
			break;
	}
	return false;
}

void
meter_tenant_require(const pg_uuid_t *organization)
{
	pg_uuid_t	own;

	switch (meter_tenant_claims(&own))
	{
		case METER_CLAIMS_TENANT:
			if (memcmp(&own, organization, sizeof(own)) == 0)
				return;
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("organization %s is not the one the claims name",
							DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(organization)))),
					 errdetail("FOREIGN_ORGANIZATION.")));
			break;
		case METER_CLAIMS_MALFORMED:
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("the claims are malformed: expected an object of at most 64 kB whose organization_id is a UUID"),
					 errdetail("INVALID_CLAIMS.")));
			break;
		case METER_CLAIMS_NONE:
			if (meter_tenant_trusted())
				return;
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("the claims name no organization"),
					 errdetail("ORGANIZATION_REQUIRED."),
					 errhint("Set request.jwt.claims, or grant the role meter_backend to an application that may name any organization.")));
			break;
	}
}

const pg_uuid_t *
meter_tenant_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("organization_id must not be null")));
	meter_tenant_require(PG_GETARG_UUID_P(0));
	return PG_GETARG_UUID_P(0);
}

PG_FUNCTION_INFO_V1(meter_tenant);

/* meter.tenant() */
Datum
meter_tenant(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));

	if (meter_tenant_claims(result) != METER_CLAIMS_TENANT)
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(result);
}

/* An end of the range of organizations that the caller sees. */
static Datum
tenant_bound(FunctionCallInfo fcinfo, int filler)
{
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));

	switch (meter_tenant_claims(result))
	{
		case METER_CLAIMS_TENANT:
			PG_RETURN_UUID_P(result);
		case METER_CLAIMS_NONE:
			if (meter_tenant_trusted())
			{
				memset(result, filler, sizeof(*result));
				PG_RETURN_UUID_P(result);
			}
			break;
		case METER_CLAIMS_MALFORMED:
			break;
	}
	PG_RETURN_NULL();
}

PG_FUNCTION_INFO_V1(meter_tenant_min);

/* meter.tenant_min() */
Datum
meter_tenant_min(PG_FUNCTION_ARGS)
{
	return tenant_bound(fcinfo, 0x00);
}

PG_FUNCTION_INFO_V1(meter_tenant_max);

/* meter.tenant_max() */
Datum
meter_tenant_max(PG_FUNCTION_ARGS)
{
	return tenant_bound(fcinfo, 0xFF);
}

PG_FUNCTION_INFO_V1(meter_require_tenant);

/* meter.require_tenant(organization_id) */
Datum
meter_require_tenant(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	meter_tenant_require(PG_GETARG_UUID_P(0));
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

PG_FUNCTION_INFO_V1(meter_in_claims);

/* meter.in_claims(organization_id) */
Datum
meter_in_claims(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(meter_tenant_in_claims(PG_GETARG_UUID_P(0)));
}

MeterScopeClaim
meter_tenant_scope(const char *scope)
{
	const ClaimsCache *claims = current_claims();

	if (claims == NULL || !claims->scoped)
		return METER_SCOPE_SILENT;
	for (int i = 0; i < claims->nscopes; i++)
		if (strcmp(claims->scopes[i], scope) == 0)
			return METER_SCOPE_HELD;
	return METER_SCOPE_MISSING;
}

PG_FUNCTION_INFO_V1(meter_has_scope);

/* meter.has_scope(scope): null where the claims are silent about scopes */
Datum
meter_has_scope(PG_FUNCTION_ARGS)
{
	MeterScopeClaim	held = meter_tenant_scope(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (held == METER_SCOPE_SILENT)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(held == METER_SCOPE_HELD);
}
