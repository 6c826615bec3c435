/*
 * tenant.h
 *		Whose rows the caller may see: the organization his claims name.
 *
 * The claims are those of a JSON Web Token, which PostgREST puts into the
 * setting request.jwt.claims for the length of a transaction.
 */
#ifndef METER_DEFINITIONS_TENANT_H
#define METER_DEFINITIONS_TENANT_H

#include "compat.h"

#include "fmgr.h"
#include "utils/uuid.h"

typedef enum MeterClaims
{
	METER_CLAIMS_NONE,			/* there are none, or they name no organization */
	METER_CLAIMS_TENANT,		/* they name one */
	METER_CLAIMS_MALFORMED		/* no JSON object, or what they name is no UUID */
} MeterClaims;

typedef enum MeterScopeClaim
{
	METER_SCOPE_SILENT,			/* the claims are silent about scopes */
	METER_SCOPE_MISSING,		/* they hold others */
	METER_SCOPE_HELD
} MeterScopeClaim;

/* What the claims say of the organization; *organization only where they name one. */
extern MeterClaims meter_tenant_claims(pg_uuid_t *organization);

/* Do the claims leave an organization to the caller?  They name it, or none; which
 * ones he sees without claims is for policies to say. */
extern bool meter_tenant_in_claims(const pg_uuid_t *organization);

/* Raise 42501 where the caller has no business with this organization. */
extern void meter_tenant_require(const pg_uuid_t *organization);

/* The first argument of a function, organization_id.  Raises 22004 where it is
 * null, 42501 as above; to be read before any other. */
extern const pg_uuid_t *meter_tenant_argument(FunctionCallInfo fcinfo);

/* Is the caller's role one that names the organization in each call? */
extern bool meter_tenant_trusted(void);

/* Do the claims hold a scope? */
extern MeterScopeClaim meter_tenant_scope(const char *scope);

#endif							/* METER_DEFINITIONS_TENANT_H */
