/*
 * hll.c
 *		Calls the functions of the extension hll, where there is one.
 *
 * Nothing of meter depends on hll, neither when it is built nor when it is
 * created: its functions are looked up in its schema when they are first
 * called.  What was found is good until some function's row in pg_proc changes,
 * as all of these do when the extension is dropped.  The lookup goes by the
 * catalog's own keys and not by names, so that neither search_path nor the
 * caller's rights on that schema matter.
 */
#include "definitions/hll.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "values/sketch.h"

typedef enum HllFunction
{
	HLL_EMPTY,
	HLL_HASH,
	HLL_ADD,
	HLL_UNION,
	HLL_CARDINALITY
} HllFunction;

#define HLL_FUNCTIONS (HLL_CARDINALITY + 1)
#define HLL_MAX_ARGUMENTS 4

/* Stand for hll's own types, which have no fixed numbers. */
#define HLL_TYPE ((Oid) 1)
#define HLL_HASHVAL_TYPE ((Oid) 2)

static const struct
{
	const char *name;
	int			nargs;
	Oid			args[HLL_MAX_ARGUMENTS];
}			signatures[HLL_FUNCTIONS] =
{
	[HLL_EMPTY] = {"hll_empty", 4, {INT4OID, INT4OID, INT8OID, INT4OID}},
	[HLL_HASH] = {"hll_hash_bytea", 2, {BYTEAOID, INT4OID}},
	[HLL_ADD] = {"hll_add", 2, {HLL_TYPE, HLL_HASHVAL_TYPE}},
	[HLL_UNION] = {"hll_union", 2, {HLL_TYPE, HLL_TYPE}},
	[HLL_CARDINALITY] = {"hll_cardinality", 1, {HLL_TYPE}}
};

static FmgrInfo functions[HLL_FUNCTIONS];
static bool found = false;

static void
functions_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	found = false;
}

/* The extension's schema, or InvalidOid where there is no such extension. */
static Oid
extension_schema(void)
{
	Oid			schema = InvalidOid;
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("hll"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return schema;
}

/* A type of that name in the schema. */
static Oid
find_type(Oid schema, const char *name)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(schema));
}

/* One of the functions. */
static Oid
find_function(Oid schema, HllFunction function)
{
	Oid			args[HLL_MAX_ARGUMENTS];

	for (int i = 0; i < signatures[function].nargs; i++)
	{
		args[i] = signatures[function].args[i];
		if (args[i] == HLL_TYPE)
			args[i] = find_type(schema, "hll");
		else if (args[i] == HLL_HASHVAL_TYPE)
			args[i] = find_type(schema, "hll_hashval");
	}
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(signatures[function].name),
						   PointerGetDatum(buildoidvector(args, signatures[function].nargs)),
						   ObjectIdGetDatum(schema));
}

/* Find the functions; an error where they are not there. */
void
meter_hll_require(void)
{
	Oid			schema = extension_schema();

	/* set first: a change seen on the way takes it back */
	found = true;
	for (int f = 0; f < HLL_FUNCTIONS; f++)
	{
		Oid			oid = OidIsValid(schema) ? find_function(schema, f) : InvalidOid;

		if (!OidIsValid(oid))
		{
			found = false;
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("approximate unique counts need the extension hll"),
					 errhint("Install postgresql-hll and run CREATE EXTENSION hll.")));
		}
		fmgr_info_cxt(oid, &functions[f], TopMemoryContext);
	}
}

/* One of the functions, ready to be called. */
static FmgrInfo *
get_function(HllFunction function)
{
	if (unlikely(!found))
		meter_hll_require();
	return &functions[function];
}

/* Add a key to a sketch, or to an empty one. */
static bytea *
hll_sketch_add(bytea *sketch, const char *key, int len)
{
	bytea	   *bytes = palloc(VARHDRSZ + len);
	Datum		hash;
	Datum		from;
	bytea	   *result;

	SET_VARSIZE(bytes, VARHDRSZ + len);
	memcpy(VARDATA(bytes), key, len);
	hash = FunctionCall2(get_function(HLL_HASH), PointerGetDatum(bytes), Int32GetDatum(0));
	pfree(bytes);
	if (sketch)
		return DatumGetByteaP(FunctionCall2(get_function(HLL_ADD), PointerGetDatum(sketch), hash));

	/* all parameters are given: the session may have set other defaults */
	from = FunctionCall4(get_function(HLL_EMPTY), Int32GetDatum(METER_SKETCH_LOG2M),
						 Int32GetDatum(METER_SKETCH_REGWIDTH), Int64GetDatum(-1),
						 Int32GetDatum(1));
	result = DatumGetByteaP(FunctionCall2(get_function(HLL_ADD), from, hash));
	pfree(DatumGetPointer(from));
	return result;
}

/* The sketch of the keys of both. */
static bytea *
hll_sketch_merge(bytea *a, bytea *b)
{
	return DatumGetByteaP(FunctionCall2(get_function(HLL_UNION), PointerGetDatum(a),
										PointerGetDatum(b)));
}

/* How many keys went into the sketch, about. */
static double
hll_sketch_cardinality(bytea *sketch)
{
	return DatumGetFloat8(FunctionCall1(get_function(HLL_CARDINALITY), PointerGetDatum(sketch)));
}

static const MeterSketchMethods methods = {
	.add = hll_sketch_add,
	.merge = hll_sketch_merge,
	.cardinality = hll_sketch_cardinality
};

void		_PG_init(void);

/* Give the values what they cannot find themselves. */
void
_PG_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, functions_changed, (Datum) 0);
	meter_sketch_methods = &methods;
}
