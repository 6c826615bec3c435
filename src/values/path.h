/*
 * path.h
 *		JSON paths that lead to one value.
 */
#ifndef METER_VALUES_PATH_H
#define METER_VALUES_PATH_H

#include "values/json.h"

typedef struct MeterPathStep
{
	const char *name;			/* a member's name, or NULL for an element */
	int			namelen;
	int			index;			/* element; negative counts from the end, -1
								 * is [last] */
} MeterPathStep;

typedef struct MeterPath
{
	int			nsteps;
	MeterPathStep steps[FLEXIBLE_ARRAY_MEMBER];
} MeterPath;

/*
 * Compile the singular part of SQL/JSON path: $, .name, ."any name",
 * ['any name'], [n], [last], [last - n].  In a quoted name a backslash and one
 * of " ' \ / b f n r t v is what it is in SQL/JSON; other escapes are refused.
 * A bare name (or dotted names) stands for a path below $.
 */
extern MeterPath *meter_path_compile(const char *text, int len, MeterError *err);

/* The value the path leads to from node, or -1; JSON null is a value. */
extern int	meter_path_find(const MeterPath *path, const MeterJson *doc, int node);

/* As meter_path_find, taking JSON null for a missing value. */
extern int	meter_path_find_value(const MeterPath *path, const MeterJson *doc, int node);

/* The JSON pointer of the place, with prefix in front. */
extern char *meter_path_pointer(const MeterPath *path, const char *prefix);

/* The path's one spelling: $."name"[0]. */
extern char *meter_path_canonical(const MeterPath *path);

#endif							/* METER_VALUES_PATH_H */
