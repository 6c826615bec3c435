/*
 * usage_groups.c
 *		Which group of a usage answer a series belongs to.
 *
 * A series carries all of its stream's dimensions; a group shows those that
 * were asked for.  The filter is applied to the series: it can name only what
 * a series has, and sees the subject as events named it.  Groups by subject
 * show its owner in its place.  A caller may have groups of its own: then it
 * says which.
 */
#include "engine/usage.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/memutils.h"

typedef struct GroupItem
{
	MeterText	content;
	int			group;
} GroupItem;

/* What a subject is called in groups. */
typedef struct OwnerItem
{
	MeterText	subject;
	MeterText	name;
} OwnerItem;

static uint32
content_hash(const void *key, Size keysize)
{
	const MeterText *text = key;

	return hash_bytes((const unsigned char *) text->data, text->len);
}

static int
content_match(const void *a, const void *b, Size keysize)
{
	const MeterText *x = a;
	const MeterText *y = b;

	return x->len != y->len || memcmp(x->data, y->data, x->len) != 0;
}

/* Begin with no groups. */
void
meter_groups_begin(MeterGroups *groups, const MeterUsageRequest *request)
{
	HASHCTL		ctl = {
		.keysize = sizeof(MeterText), .entrysize = sizeof(GroupItem),
		.hash = content_hash, .match = content_match, .hcxt = CurrentMemoryContext
	};

	memset(groups, 0, sizeof(*groups));
	groups->request = request;
	groups->context = CurrentMemoryContext;
	if (request->own)
	{
		groups->ngroups = request->own->ngroups;
		groups->groups = palloc_extended(groups->ngroups * sizeof(MeterGroup), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		return;
	}
	groups->size = 16;
	groups->groups = palloc(groups->size * sizeof(MeterGroup));
	groups->index = hash_create("meter usage groups", 64, &ctl,
								HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	ctl.entrysize = sizeof(OwnerItem);
	if (request->by_subject && request->subject == NULL && !request->raw_subjects)
		groups->owners = hash_create("meter usage owners", 64, &ctl,
									 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

/* Look up the owners of the series' subjects; see usage.h. */
void
meter_groups_prepare(MeterGroups *groups, const MeterSeries *list, int n)
{
	MemoryContext old;
	MeterText  *subjects;
	MeterText  *names;
	int			nnew = 0;

	if (groups->owners == NULL)
		return;
	old = MemoryContextSwitchTo(groups->context);
	subjects = palloc_extended(Max(n, 1) * sizeof(MeterText), MCXT_ALLOC_HUGE);
	names = palloc_extended(Max(n, 1) * sizeof(MeterText), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		MeterText	subject = list[i].subject;
		bool		found;

		if (subject.data == NULL || hash_search(groups->owners, &subject, HASH_FIND, NULL))
			continue;
		subject.data = pnstrdup(subject.data, subject.len);
		(void) hash_search(groups->owners, &subject, HASH_ENTER, &found);
		subjects[nnew++] = subject;
	}
	meter_customer_names(&groups->request->organization, subjects, nnew,
						 meter_usage_as_of(groups->request), true, names);
	for (int i = 0; i < nnew; i++)
	{
		OwnerItem  *item = hash_search(groups->owners, &subjects[i], HASH_FIND, NULL);

		item->name = names[i].data ? names[i] : subjects[i];
	}
	pfree(subjects);
	pfree(names);
	MemoryContextSwitchTo(old);
}

/* The subject a group shows: who was asked for, or the owner. */
static MeterText
shown_subject(MeterGroups *groups, const MeterSeries *series)
{
	OwnerItem  *item;

	if (groups->request->raw_subjects)
		return series->subject;
	if (groups->request->subject)
		return *groups->request->subject;
	if (groups->owners == NULL || series->subject.data == NULL)
		return (MeterText) {NULL, 0};
	item = hash_search(groups->owners, &series->subject, HASH_FIND, NULL);
	if (item == NULL)
	{
		meter_groups_prepare(groups, series, 1);
		item = hash_search(groups->owners, &series->subject, HASH_FIND, NULL);
	}
	return item->name;
}

/* What the filter looks at: the dimensions, and the subject. */
bool
meter_usage_passes_filter(const MeterUsageRequest *request, const MeterSeries *series)
{
	StringInfoData buf;
	MeterJson  *doc;

	if (request->filter == NULL)
		return true;
	initStringInfo(&buf);
	appendStringInfoString(&buf, "{\"subject\":");
	if (series->subject.data)
		escape_json(&buf, pnstrdup(series->subject.data, series->subject.len));
	else
		appendStringInfoString(&buf, "null");
	if (series->dimensions.len > 2)
		appendStringInfoChar(&buf, ',');
	appendBinaryStringInfo(&buf, series->dimensions.data + 1, series->dimensions.len - 1);
	doc = meter_json_parse_or_throw(buf.data, buf.len, "series");
	return meter_filter_matches(request->filter, doc, 0);
}

/* The dimensions that are grouped by, as a JSON object. */
static void
append_dimensions(StringInfo buf, const MeterUsageRequest *request, const MeterSeries *series)
{
	MeterJson  *doc = request->ngroup_by == 0 ? NULL :
		meter_json_parse_or_throw(series->dimensions.data, series->dimensions.len, "series");

	appendStringInfoChar(buf, '{');
	for (int i = 0; i < request->ngroup_by; i++)
	{
		const char *name = request->group_by[i];
		int			node = meter_json_member(doc, 0, name, strlen(name));

		if (i > 0)
			appendStringInfoString(buf, ", ");
		escape_json(buf, name);
		appendStringInfoString(buf, ": ");
		if (node < 0)
			appendStringInfoString(buf, "null");
		else
		{
			int			len;
			char	   *raw = meter_json_raw(doc, node, &len);

			appendBinaryStringInfo(buf, raw, len);
		}
	}
	appendStringInfoChar(buf, '}');
}

/* The group a series belongs to; see usage.h. */
int
meter_groups_find(MeterGroups *groups, const MeterSeries *series)
{
	const MeterUsageRequest *request = groups->request;
	MeterText	subject;
	StringInfoData buf;
	MeterText	content;
	GroupItem  *item;
	bool		found;
	MemoryContext old;
	MeterGroup *group;
	int			subject_len;

	if (!meter_usage_passes_filter(request, series))
		return -1;
	if (request->own)
		return request->own->find(request->own->arg, series);

	subject = shown_subject(groups, series);
	subject_len = subject.data ? subject.len : -1;

	/* lengths first, so that different texts cannot make the same content */
	initStringInfo(&buf);
	appendStringInfo(&buf, "%d,%d:", subject_len, series->currency.data ? series->currency.len : -1);
	if (subject_len > 0)
		appendBinaryStringInfo(&buf, subject.data, subject_len);
	if (series->currency.data)
		appendBinaryStringInfo(&buf, series->currency.data, series->currency.len);
	append_dimensions(&buf, request, series);
	content = (MeterText) {buf.data, buf.len};
	item = hash_search(groups->index, &content, HASH_FIND, NULL);
	if (item)
		return item->group;

	old = MemoryContextSwitchTo(groups->context);
	content.data = memcpy(palloc(buf.len), buf.data, buf.len);
	if (groups->ngroups >= groups->size)
	{
		groups->size *= 2;
		groups->groups = repalloc_huge(groups->groups, groups->size * sizeof(MeterGroup));
	}
	group = &groups->groups[groups->ngroups];
	memset(group, 0, sizeof(*group));
	if (subject_len >= 0)
		group->subject = (MeterText) {pnstrdup(subject.data, subject_len), subject_len};
	if (series->currency.data)
		group->currency = (MeterText) {
			pnstrdup(series->currency.data, series->currency.len), series->currency.len
		};
	resetStringInfo(&buf);
	append_dimensions(&buf, request, series);
	group->dimensions = (MeterText) {pnstrdup(buf.data, buf.len), buf.len};
	item = hash_search(groups->index, &content, HASH_ENTER, &found);
	item->group = groups->ngroups;
	MemoryContextSwitchTo(old);
	return groups->ngroups++;
}

static int
text_cmp(MeterText a, MeterText b)
{
	int			cmp;

	/* none comes last, as core sorts nulls */
	if (a.data == NULL || b.data == NULL)
		return (a.data == NULL) - (b.data == NULL);
	cmp = memcmp(a.data, b.data, Min(a.len, b.len));
	return cmp != 0 ? cmp : a.len - b.len;
}

static int
group_cmp(const void *pa, const void *pb, void *arg)
{
	const MeterGroup *all = arg;
	const MeterGroup *a = &all[*(const int *) pa];
	const MeterGroup *b = &all[*(const int *) pb];
	int			cmp = text_cmp(a->subject, b->subject);

	if (cmp == 0)
		cmp = text_cmp(a->dimensions, b->dimensions);
	if (cmp == 0)
		cmp = text_cmp(a->currency, b->currency);
	return cmp;
}

/* Give every group its place; the groups in that order. */
int *
meter_groups_sort(MeterGroups *groups)
{
	int		   *sorted = palloc(Max(groups->ngroups, 1) * sizeof(int));

	for (int i = 0; i < groups->ngroups; i++)
		sorted[i] = i;
	qsort_arg(sorted, groups->ngroups, sizeof(int), group_cmp, groups->groups);
	for (int i = 0; i < groups->ngroups; i++)
		groups->groups[sorted[i]].order = i;
	return sorted;
}
