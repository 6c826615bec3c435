/*
 * json.h
 *		JSON text as a flat array of nodes.
 *
 * The one representation of JSON that the value layer and the engine work
 * on.  Nodes stand in document order; a container's children follow it, and
 * `next` leaps over a whole subtree.  An object's children are key, value,
 * key, value, where a key is a string node.  Nodes point into the text, so
 * the text must outlive the document.
 *
 * Walking an object:
 *
 *		for (int k = obj + 1; k < doc->nodes[obj].next;
 *			 k = doc->nodes[k + 1].next)
 *			... key is node k, value is node k + 1 ...
 *
 * and an array:
 *
 *		for (int v = arr + 1; v < doc->nodes[arr].next;
 *			 v = doc->nodes[v].next)
 *
 * A key that stands twice: the last one counts, as in jsonb.
 */
#ifndef METER_VALUES_JSON_H
#define METER_VALUES_JSON_H

#include "values/error.h"

/* Deeper documents are refused: nobody means them. */
#define METER_JSON_MAX_DEPTH 256

typedef enum MeterJsonType
{
	METER_JSON_NULL,
	METER_JSON_FALSE,
	METER_JSON_TRUE,
	METER_JSON_NUMBER,
	METER_JSON_STRING,
	METER_JSON_ARRAY,
	METER_JSON_OBJECT
} MeterJsonType;

typedef struct MeterJsonNode
{
	uint8		type;			/* MeterJsonType */
	bool		escaped;		/* a string that holds a backslash escape */
	uint32		off;			/* first byte in the text; after the quote of
								 * a string */
	uint32		len;			/* bytes in the text, without quotes */
	int			next;			/* first node after this subtree */
	int			count;			/* array elements or object members as
								 * written */
} MeterJsonNode;

typedef struct MeterJson
{
	const char *text;
	MeterJsonNode *nodes;		/* nodes[0] is the root */
	int			nnodes;
	int			capacity;
} MeterJson;

/* A member of an object as it counts, once for each key. */
typedef struct MeterJsonMember
{
	const char *key;			/* unescaped, not NUL-terminated */
	int			keylen;
	int			keynode;
	int			value;			/* node */
} MeterJsonMember;

/*
 * Parse text into *doc.  A zeroed *doc is made ready in the current memory
 * context; one used before is used again (its nodes are overwritten), and
 * must then be called with its nodes' context still alive.
 * Refuses what jsonb would: bad escapes, lone surrogates, \u0000, numbers no
 * numeric can hold.  Text must be valid UTF-8 (the server checks that).
 */
extern bool meter_json_parse(MeterJson *doc, const char *text, size_t len,
							 MeterError *err);

/* As meter_json_parse, for a value that more may follow; *used is how many bytes
 * it took, white space before it included. */
extern bool meter_json_parse_prefix(MeterJson *doc, const char *text, size_t len,
									size_t *used, MeterError *err);

/* As meter_json_parse, raising 22023; for jsonb arguments and what the catalog
 * holds. */
extern MeterJson *meter_json_parse_or_throw(const char *text, size_t len,
											const char *what);

/* The first byte after the value that starts at pos, in text already known to
 * be well-formed JSON (type json); white space before the value is skipped. */
extern size_t meter_json_skip(const char *text, size_t len, size_t pos);

/* The value of four hexadecimal digits, or -1. */
extern int	meter_json_hex(const char *p);

/* The value of a member, or -1.  name need not be NUL-terminated. */
extern int	meter_json_member(const MeterJson *doc, int object,
							  const char *name, int namelen);

/* An element of an array, or -1. */
extern int	meter_json_element(const MeterJson *doc, int array, int index);

/* A string's content; *len bytes, palloc'd only if it was escaped. */
extern const char *meter_json_string(const MeterJson *doc, int node, int *len);

/* A string's content, palloc'd and NUL-terminated. */
extern char *meter_json_cstring(const MeterJson *doc, int node);

/* A value's JSON text as written (a string with its quotes), palloc'd. */
extern char *meter_json_raw(const MeterJson *doc, int node, int *len);

/* Members as they count, sorted by key (bytewise); returns how many. */
extern int	meter_json_members(const MeterJson *doc, int object,
							   MeterJsonMember **members);

/* Equal as JSON values: objects without order, 1.0 equals 1. */
extern bool meter_json_equal(const MeterJson *a, int anode,
							 const MeterJson *b, int bnode);

/* A hash that agrees with meter_json_equal. */
extern uint64 meter_json_hash(const MeterJson *doc, int node);

/* "null", "boolean", "number", "string", "array" or "object". */
extern const char *meter_json_type_name(const MeterJson *doc, int node);

#endif							/* METER_VALUES_JSON_H */
