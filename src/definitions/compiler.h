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
	MeterScope	scope;			/* what a calculation may name so far */
	MeterProfile *profile;		/* the one that is being read */
	MeterError *err;
} MeterPlanCompiler;

typedef bool (*MeterReadKey) (MeterPlanCompiler *c, int node);
typedef bool (*MeterReadElement) (MeterPlanCompiler *c, int node, int index);

/* Set the error's code and message; returns false. */
extern bool meter_plan_refuse(MeterPlanCompiler *c, const char *code, const char *message);

/* ... for what is the matter with a member of the object that is being read. */
extern bool meter_plan_refuse_at(MeterPlanCompiler *c, const char *key, const char *code,
								 const char *message);

/* ---- plan_value.c: what definitions are made of ---- */

/* A label: 1 to max printable characters, with spaces only inside. */
extern bool meter_plan_label(MeterPlanCompiler *c, int node, int max, const char **out);
extern bool meter_plan_path(MeterPlanCompiler *c, int node, MeterPath **out);
extern bool meter_plan_boolean(MeterPlanCompiler *c, int node, bool *out);
extern bool meter_plan_text(MeterPlanCompiler *c, int node);
extern bool meter_plan_uuid(MeterPlanCompiler *c, int node);

/* A member of an object, or -1 where it is missing or null: null is the
 * default, for every key. */
extern int	meter_plan_member(MeterPlanCompiler *c, int object, const char *key);

/* Read a member where it is there. */
extern bool meter_plan_read(MeterPlanCompiler *c, int object, const char *key, bool required,
							MeterReadKey read);

/* Is node an object of no other members than these? */
extern bool meter_plan_object(MeterPlanCompiler *c, int node, const char *const *known, int nknown);

/* Read the elements of an array of min to max. */
extern bool meter_plan_array(MeterPlanCompiler *c, int node, int min, int max, MeterReadElement read);

/* ---- plan_field.c: custom, data and derived fields ---- */

/* Begin the scope: the event's time, and what the organization gives. */
extern bool meter_plan_begin_scope(MeterPlanCompiler *c, const MeterJson *inherited);
extern bool meter_plan_read_custom_fields(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_data_fields(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_derived_fields(MeterPlanCompiler *c, int node);

/* Is there a data field or derived field of that code? */
extern bool meter_plan_has_field(const MeterPlan *plan, const char *code, int len);

/* ---- plan_function.c: what a profile measures, and how ---- */

/* These fill c->profile. */
extern bool meter_plan_read_function(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_function_options(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_value_field(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_unique_by_field(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_filter_tree(MeterPlanCompiler *c, int node);
extern bool meter_plan_read_window(MeterPlanCompiler *c, int node);

/* Does c->profile have what its function needs?  The keys that hold its
 * options, its value and its unique value are named so. */
extern bool meter_plan_check_profile(MeterPlanCompiler *c, const char *value_key, const char *unique_key);

/* ---- plan_late.c: events that come late ---- */

extern MeterLatePolicy meter_plan_default_late(void);
extern bool meter_plan_read_late(MeterPlanCompiler *c, int node);

/* ---- plan_profiles.c: the other profiles ---- */

extern bool meter_plan_read_profiles(MeterPlanCompiler *c, int node);

#endif							/* METER_DEFINITIONS_COMPILER_H */
