/*
 * compiler.h
 *		What the files that check and compile a definition share.
 *
 * A reader takes one key's value at node.  It returns false with the error's
 * pointer below the key; whoever called it puts the key in front.
 */
#ifndef METER_DEFINITIONS_COMPILER_H
#define METER_DEFINITIONS_COMPILER_H

#include "definitions/plan.h"

typedef struct MeterPlanCompiler
{
	const MeterJson *doc;
	MeterPlan  *plan;
	MeterError *err;
} MeterPlanCompiler;

typedef bool (*MeterReadKey) (MeterPlanCompiler *c, int node);

/* Set the error's code and message; returns false. */
extern bool meter_plan_refuse(MeterPlanCompiler *c, const char *code, const char *message);

/* ... for what is the matter with a member of the object that is being read. */
extern bool meter_plan_refuse_at(MeterPlanCompiler *c, const char *key, const char *code,
								 const char *message);

/* ---- plan_text.c: single values ---- */

/* A label: 1 to max printable characters, with spaces only inside. */
extern bool meter_plan_label(MeterPlanCompiler *c, int node, int max, const char **out);
extern bool meter_plan_path(MeterPlanCompiler *c, int node, MeterPath **out);
extern bool meter_plan_boolean(MeterPlanCompiler *c, int node, bool *out);
extern bool meter_plan_text(MeterPlanCompiler *c, int node);
extern bool meter_plan_uuid(MeterPlanCompiler *c, int node);

/* ---- plan_profile.c: what is measured, and how ---- */

extern bool meter_plan_read_function(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_value_field(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_unique_by_field(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_filter_tree(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_window(MeterPlanCompiler *c, int node);

/* Does the definition's own profile have what its function needs? */
extern bool meter_plan_check_profile(MeterPlanCompiler *c);

#endif							/* METER_DEFINITIONS_COMPILER_H */
