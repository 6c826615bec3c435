/*
 * schema_private.h
 *		What the files of the JSON Schema compiler and validator share.
 *
 * A schema is compiled in two walks.  schema_scan.c finds every subschema, the
 * resources ($id) they belong to and their anchors, and refuses keywords it
 * does not know; schema_compile.c and its helpers turn each subschema into a
 * SchemaNode.  A SchemaNode holds one group of assertions for each type of
 * instance, so that validating a value only ever looks at the group of its
 * type.
 */
#ifndef METER_VALUES_SCHEMA_PRIVATE_H
#define METER_VALUES_SCHEMA_PRIVATE_H

#include "compat.h"

#include <ctype.h>
#include <limits.h>

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/numeric.h"

#include "values/schema.h"

typedef struct SchemaNode SchemaNode;
typedef struct SchemaPattern SchemaPattern;

/* Drafts are bits, so that a keyword can say which ones know it. */
#define SCHEMA_DRAFT7		0x01
#define SCHEMA_DRAFT2020	0x02
#define SCHEMA_LOOSE		0x04	/* no $schema: 2020-12 with draft 7's
									 * leftovers */

/* The schema's text, parsed, and what became of its nodes. */
typedef struct SchemaSource
{
	MeterJson	doc;
	SchemaNode **nodes;			/* by JSON node; NULL where not (yet) compiled */
	struct SchemaResource **resources;	/* by JSON node; NULL where no schema
										 * is known to stand */
} SchemaSource;

/* A schema with a URI of its own, and all below it up to the next one. */
typedef struct SchemaResource
{
	const char *uri;			/* absolute where it can be, no fragment */
	SchemaSource *source;
	int			root;			/* JSON node */
	int			draft;
	struct SchemaAnchor *anchors;
} SchemaResource;

typedef struct SchemaAnchor
{
	const char *name;
	int			node;			/* JSON node in the resource's source */
	bool		dynamic;
	SchemaNode *target;			/* of a dynamic one, once compiled */
	struct SchemaAnchor *next;
} SchemaAnchor;

/* What both walks carry. */
typedef struct SchemaCompiler
{
	int			flags;
	List	   *sources;		/* SchemaSource; the caller's schema is first */
	List	   *resources;		/* SchemaResource */
	int			nanchors;
	List	   *queue;			/* SchemaNode, allocated but not compiled yet */
	Size		pattern_bytes;	/* taken by patterns so far */
	MeterError *err;

	/* the schema object being compiled */
	SchemaSource *source;
	SchemaResource *resource;
	int			object;
	const char *keyword;
} SchemaCompiler;

/* A number of a schema or an instance: exact, whatever its size. */
typedef struct SchemaNumber
{
	const char *text;			/* as written */
	int			len;
	bool		small;			/* mantissa / 10^scale says it all */
	int			scale;			/* 0 .. 18 */
	int64		mantissa;
	Numeric		big;			/* of a schema's number that is not small */
} SchemaNumber;

/* One value of enum or const. */
typedef struct SchemaValue
{
	uint64		hash;
	int			node;			/* in the set's document */
	int			len;
	const char *string;			/* NULL unless it is a string */
} SchemaValue;

/* The values enum or const allow. */
typedef struct SchemaValueSet
{
	const char *keyword;
	const MeterJson *doc;
	int			nvalues;
	SchemaValue *values;
	int		   *slots;			/* hash table of indexes + 1, or NULL where few */
	uint32		mask;
} SchemaValueSet;

typedef struct SchemaNumbers
{
	SchemaNumber *minimum;
	SchemaNumber *maximum;
	SchemaNumber *exclusive_minimum;
	SchemaNumber *exclusive_maximum;
	SchemaNumber *multiple_of;
	bool		any_big;		/* one of them is not small */
} SchemaNumbers;

typedef bool (*SchemaFormatCheck) (const char *s, int len);

typedef struct SchemaStrings
{
	int			min_length;		/* in characters */
	int			max_length;		/* INT_MAX: none */
	SchemaPattern *pattern;
	const char *format_name;
	SchemaFormatCheck format;	/* NULL where it does not assert */
} SchemaStrings;

typedef struct SchemaArrays
{
	int			min_items;
	int			max_items;
	bool		unique;
	int			nprefix;
	SchemaNode **prefix;
	SchemaNode *rest;			/* elements after the prefix */
	const char *prefix_keyword; /* prefixItems, or draft 7's items */
	const char *rest_keyword;	/* items or additionalItems */
	SchemaNode *contains;
	int			min_contains;
	int			max_contains;
} SchemaArrays;

/* A member name that the schema knows. */
typedef struct SchemaName
{
	const char *name;
	int			len;
	SchemaNode *property;		/* its schema in properties, or NULL */
} SchemaName;

/* If member trigger is there, members needs must be, and schema must hold. */
typedef struct SchemaDependency
{
	const char *keyword;
	int			trigger;		/* index into names */
	int			nneeds;
	int		   *needs;			/* likewise */
	SchemaNode *schema;			/* or NULL */
} SchemaDependency;

typedef struct SchemaPatternProperty
{
	SchemaPattern *pattern;
	SchemaNode *schema;
} SchemaPatternProperty;

typedef struct SchemaObjects
{
	/* names: an open hash table, so that a member costs one probe */
	int			nnames;
	int			names_size;		/* allocated */
	SchemaName *names;
	int		   *slots;			/* indexes + 1 */
	uint32		mask;

	int			nrequired;
	int		   *required;		/* indexes into names */
	uint64	   *required_bits;	/* the same as a bitmap */
	int			ndependencies;
	SchemaDependency *dependencies;
	int			npatterns;
	SchemaPatternProperty *patterns;
	SchemaNode *additional;
	SchemaNode *property_names;
	int			min_properties;
	int			max_properties;
	bool		exact;			/* a name written twice would be seen */
} SchemaObjects;

/* Schemas applied to the same place in the instance. */
typedef struct SchemaInPlace
{
	SchemaNode *ref;
	SchemaNode *dynamic_ref;	/* where $dynamicRef leads at first */
	const char *dynamic_anchor; /* the name looked up in the dynamic scope, or
								 * NULL where it is like $ref */
	int			nall;
	SchemaNode **all;
	int			nany;
	SchemaNode **any;
	int			none;
	SchemaNode **one;
	SchemaNode *not;
	SchemaNode *cond;			/* if */
	SchemaNode *then;
	SchemaNode *otherwise;
} SchemaInPlace;

typedef enum SchemaKind
{
	SCHEMA_TRUE,				/* anything is valid */
	SCHEMA_FALSE,				/* nothing is */
	SCHEMA_KEYWORDS
} SchemaKind;

/* An integer, in SchemaNode.types beside the bits of MeterJsonType. */
#define SCHEMA_TYPE_BIT(type)	(1 << (type))
#define SCHEMA_INTEGER_BIT		(1 << 7)

/* A compiled subschema. */
struct SchemaNode
{
	uint8		kind;			/* SchemaKind */
	uint8		types;			/* bits; 0: any type */
	bool		compiled;
	uint8		visit;			/* for the search for loops */
	SchemaSource *source;
	int			node;			/* JSON node */
	SchemaResource *resource;
	SchemaValueSet *constant;
	SchemaValueSet *enumeration;
	SchemaNumbers *numbers;
	SchemaStrings *strings;
	SchemaArrays *arrays;
	SchemaObjects *objects;
	SchemaInPlace *in_place;
	SchemaNode *unevaluated_items;
	SchemaNode *unevaluated_properties;
};

struct MeterSchema
{
	SchemaNode *root;
	bool		has_dynamic;	/* some $dynamicRef looks at the scope */
};

/* ---- keywords: schema_keyword.c ---- */

/* Where subschemas stand in a keyword's value. */
typedef enum SchemaShape
{
	SCHEMA_SHAPE_NONE,
	SCHEMA_SHAPE_SCHEMA,
	SCHEMA_SHAPE_LIST,			/* array of schemas, not empty */
	SCHEMA_SHAPE_MAP,			/* object of schemas */
	SCHEMA_SHAPE_ITEMS,			/* a schema, or in draft 7 an array of them */
	SCHEMA_SHAPE_DEPENDENCIES	/* object of schemas or arrays of names */
} SchemaShape;

typedef struct SchemaKeyword
{
	const char *name;
	uint8		drafts;
	uint8		shape;			/* SchemaShape */
	bool		beside_ref;		/* harmless beside draft 7's $ref */
	bool		(*compile) (SchemaCompiler *c, SchemaNode *s, int value);
} SchemaKeyword;

/* The keyword of a draft with this name, or NULL. */
extern const SchemaKeyword *meter_schema_keyword(const char *name, int len, int draft);

/* ---- compiler ---- */

/* Refuse: fill c->err with a pointer to the JSON node; returns false. */
extern bool meter_schema_refuse(SchemaCompiler *c, const SchemaSource *source, int node,
								const char *code, const char *fmt,...) pg_attribute_printf(5, 6);

/* Where target stands below root, as a JSON pointer ("" for root itself); a
 * member's name stands for the object it is in. */
extern char *meter_schema_pointer(const MeterJson *doc, int root, int target);

/* schema_scan.c */
extern SchemaSource *meter_schema_add_source(SchemaCompiler *c, const char *text, int len);
extern bool meter_schema_scan(SchemaCompiler *c, SchemaSource *source, int node,
							  SchemaResource *resource);
extern bool meter_schema_scan_root(SchemaCompiler *c, SchemaSource *source, const char *uri);

/* schema_resolve.c */
extern bool meter_schema_resolve(SchemaCompiler *c, int value, SchemaNode **target,
								 SchemaAnchor **anchor);

/* schema_uri.c */
extern char *meter_schema_uri_resolve(const char *base, const char *reference);
extern char *meter_schema_uri_split(char *uri);
extern int	meter_schema_uri_unescape(char *s);

/* schema_meta.c: the text of a draft's meta-schema by its URI, or NULL */
extern const char *meter_schema_meta(const char *uri);

/* schema_compile.c: the SchemaNode of a JSON node, compiled soon */
extern SchemaNode *meter_schema_node(SchemaCompiler *c, SchemaSource *source, int node);
extern SchemaNode **meter_schema_node_list(SchemaCompiler *c, int array, int *n);

/* schema_assertion.c, schema_applicator.c: one for each keyword */
extern bool meter_schema_compile_type(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_values(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_bound(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_size(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_unique(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_pattern(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_format(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_text(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_flag(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_examples(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_required(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_properties(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_pattern_properties(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_dependencies(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_items(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_subschema(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_list(SchemaCompiler *c, SchemaNode *s, int value);
extern bool meter_schema_compile_ref(SchemaCompiler *c, SchemaNode *s, int value);

/* The groups of a node, made when first needed. */
extern SchemaNumbers *meter_schema_numbers(SchemaNode *s);
extern SchemaStrings *meter_schema_strings(SchemaNode *s);
extern SchemaArrays *meter_schema_arrays(SchemaNode *s);
extern SchemaObjects *meter_schema_objects(SchemaNode *s);
extern SchemaInPlace *meter_schema_in_place(SchemaNode *s);

/* schema_object.c: the table of names */
extern int	meter_schema_name_add(SchemaObjects *objects, const char *name, int len);
extern void meter_schema_names_finish(SchemaObjects *objects);

/* schema_value.c */
extern SchemaValueSet *meter_schema_value_set(const MeterJson *doc, const char *keyword,
											  const int *nodes, int n);

/* ---- numbers: schema_number.c ---- */

extern void meter_schema_number_read(const MeterJson *doc, int node, SchemaNumber *out);
extern bool meter_schema_number_integer(const MeterJson *doc, int node);
extern int	meter_schema_number_cmp(const SchemaNumber *a, const SchemaNumber *b);
extern bool meter_schema_number_multiple(const SchemaNumber *a, const SchemaNumber *divisor);
extern Numeric meter_schema_number_numeric(const SchemaNumber *a);

/* ---- patterns: schema_pattern.c and what schema_pattern.h has ---- */

/* The pattern in a string node (a key too), or NULL after refusing what is at
 * place. */
extern SchemaPattern *meter_schema_pattern_compile(SchemaCompiler *c, int node, int place);
extern bool meter_schema_pattern_matches(const SchemaPattern *pattern, const char *s, int len);
extern const char *meter_schema_pattern_text(const SchemaPattern *pattern);

/* ---- formats: schema_format*.c ---- */

/* The check of a format, or NULL for one that is not known. */
extern SchemaFormatCheck meter_schema_format(const char *name, int len);

extern bool meter_schema_format_date(const char *s, int len);
extern bool meter_schema_format_time(const char *s, int len);
extern bool meter_schema_format_date_time(const char *s, int len);
extern bool meter_schema_format_duration(const char *s, int len);
extern bool meter_schema_format_hostname(const char *s, int len);
extern bool meter_schema_format_ipv4(const char *s, int len);
extern bool meter_schema_format_ipv6(const char *s, int len);
extern bool meter_schema_format_email(const char *s, int len);
extern bool meter_schema_format_idn_email(const char *s, int len);
extern bool meter_schema_format_uri(const char *s, int len);
extern bool meter_schema_format_uri_reference(const char *s, int len);
extern bool meter_schema_format_iri(const char *s, int len);
extern bool meter_schema_format_iri_reference(const char *s, int len);
extern bool meter_schema_format_uri_template(const char *s, int len);

/* ---- validator ---- */

/* The resources entered on the way to the present schema. */
typedef struct SchemaScope
{
	const SchemaResource *resource;
	const struct SchemaScope *outer;
} SchemaScope;

/* One validation. */
typedef struct SchemaRun
{
	const MeterSchema *schema;
	const MeterJson *doc;
	int			root;
	MeterSchemaReport report;	/* NULL: only the answer matters */
	void	   *arg;
	const SchemaScope *scope;
	int64		steps;			/* how many more schemas may be applied */
	int			depth;			/* references being followed */
	bool		aborted;		/* a limit was hit: not valid, whatever */
	MemoryContext scratch;		/* made when first needed */
} SchemaRun;

/* Which children of an instance have been evaluated, for unevaluated*. */
typedef struct SchemaSeen
{
	int			count;
	uint64	   *bits;
	uint64		few;			/* the bits of up to 64 children */
} SchemaSeen;

extern bool meter_schema_check(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen);
extern bool meter_schema_check_in_place(SchemaRun *run, const SchemaNode *s, int node,
										SchemaSeen *seen, const char *keyword);
extern bool meter_schema_test(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen);
extern bool meter_schema_check_object(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen);
extern bool meter_schema_check_array(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen);
extern bool meter_schema_check_unevaluated_properties(SchemaRun *run, const SchemaNode *s, int node,
													  SchemaSeen *seen);
extern bool meter_schema_check_unevaluated_items(SchemaRun *run, const SchemaNode *s, int node,
												 SchemaSeen *seen);
extern bool meter_schema_check_number(SchemaRun *run, const SchemaNumbers *numbers, int node);
extern bool meter_schema_check_string(SchemaRun *run, const SchemaStrings *strings, int node);
extern bool meter_schema_check_values(SchemaRun *run, const SchemaValueSet *set, int node);
extern bool meter_schema_fail(SchemaRun *run, int node, const char *keyword,
							  const char *fmt,...) pg_attribute_printf(4, 5);
extern MemoryContext meter_schema_scratch(SchemaRun *run);
extern const char *meter_schema_run_string(SchemaRun *run, int node, int *len);
extern void meter_schema_seen_init(SchemaRun *run, SchemaSeen *seen, int count);

/* Go on after this result?  When reporting, to the end. */
static inline bool
meter_schema_more(const SchemaRun *run, bool ok)
{
	return ok || run->report != NULL;
}

static inline void
meter_schema_seen_set(SchemaSeen *seen, int child)
{
	if (seen)
		seen->bits[child / 64] |= UINT64CONST(1) << (child % 64);
}

static inline bool
meter_schema_seen_get(const SchemaSeen *seen, int child)
{
	return (seen->bits[child / 64] >> (child % 64)) & 1;
}

/* Apply a schema to a child of the instance; keyword is what holds it. */
static inline bool
meter_schema_check_child(SchemaRun *run, const SchemaNode *s, int node, const char *keyword)
{
	if (s->kind == SCHEMA_TRUE)
		return true;
	if (s->kind == SCHEMA_FALSE)
		return meter_schema_fail(run, node, keyword, "is not allowed");
	return meter_schema_check(run, s, node, NULL);
}

/* A cheap hash of a short string, for tables that compare afterwards. */
static inline uint32
meter_schema_hash(const char *s, int len)
{
	uint64		h = len;

	if (len >= 8)
	{
		uint64		a,
					b;

		memcpy(&a, s, 8);
		memcpy(&b, s + len - 8, 8);
		h ^= a ^ (b << 29 | b >> 35);
	}
	else if (len >= 4)
	{
		uint32		a,
					b;

		memcpy(&a, s, 4);
		memcpy(&b, s + len - 4, 4);
		h ^= (uint64) a << 32 | b;
	}
	else if (len > 0)
		h ^= (uint64) (unsigned char) s[0] << 24 | (unsigned char) s[len / 2] << 16 |
			(unsigned char) s[len - 1] << 8;
	h *= UINT64CONST(0x9E3779B97F4A7C15);
	return (uint32) (h >> 32);
}

#endif							/* METER_VALUES_SCHEMA_PRIVATE_H */
