/*
 * schema_charset.c
 *		Sets of characters for patterns.
 *
 * ECMA-262 fixes what \d, \w, \s and \p{...} mean, whatever the locale; so
 * they are spelled out as ranges rather than left to the server's classes.
 */
#include "values/schema_pattern.h"

#include "values/schema_unicode.h"

#define MAX_CODE_POINT 0x10FFFF

/* Add the code points from first to last. */
void
meter_schema_charset_add(SchemaCharset *set, uint32 first, uint32 last)
{
	if (set->nranges >= set->size)
	{
		set->size = Max(set->size * 2, 8);
		if (set->ranges)
			set->ranges = repalloc(set->ranges, set->size * sizeof(set->ranges[0]));
		else
			set->ranges = palloc(set->size * sizeof(set->ranges[0]));
	}
	set->ranges[set->nranges].first = first;
	set->ranges[set->nranges].last = last;
	set->nranges++;
}

static int
range_cmp(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	return (x > y) - (x < y);
}

/* Sort the ranges and join those that touch. */
void
meter_schema_charset_normalize(SchemaCharset *set)
{
	int			n = 0;

	if (set->nranges < 2)
		return;
	qsort(set->ranges, set->nranges, sizeof(set->ranges[0]), range_cmp);
	for (int i = 1; i < set->nranges; i++)
	{
		if (set->ranges[i].first <= set->ranges[n].last + 1)
			set->ranges[n].last = Max(set->ranges[n].last, set->ranges[i].last);
		else
			set->ranges[++n] = set->ranges[i];
	}
	set->nranges = n + 1;
}

/* All other characters. */
void
meter_schema_charset_complement(SchemaCharset *set)
{
	SchemaCharset result = {0};
	uint32		next = 0;

	meter_schema_charset_normalize(set);
	for (int i = 0; i < set->nranges; i++)
	{
		if (set->ranges[i].first > next)
			meter_schema_charset_add(&result, next, set->ranges[i].first - 1);
		next = set->ranges[i].last + 1;
	}
	if (next <= MAX_CODE_POINT)
		meter_schema_charset_add(&result, next, MAX_CODE_POINT);
	*set = result;
}

void
meter_schema_charset_add_set(SchemaCharset *set, const SchemaCharset *other)
{
	for (int i = 0; i < other->nranges; i++)
		meter_schema_charset_add(set, other->ranges[i].first, other->ranges[i].last);
}

/* Is the character in a normalized set? */
bool
meter_schema_charset_contains(const SchemaCharset *set, uint32 c)
{
	int			low = 0;
	int			high = set->nranges - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;

		if (c < set->ranges[middle].first)
			high = middle - 1;
		else if (c > set->ranges[middle].last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

/* Add what the escape \d, \w, \s or its capital stands for, or '.'. */
bool
meter_schema_charset_add_class(SchemaCharset *set, char letter)
{
	SchemaCharset own = {0};

	switch (letter)
	{
		case 'd':
		case 'D':
			meter_schema_charset_add(&own, '0', '9');
			break;
		case 'w':
		case 'W':
			meter_schema_charset_add(&own, '0', '9');
			meter_schema_charset_add(&own, 'A', 'Z');
			meter_schema_charset_add(&own, '_', '_');
			meter_schema_charset_add(&own, 'a', 'z');
			break;
		case 's':
		case 'S':
			/* WhiteSpace and LineTerminator */
			meter_schema_charset_add(&own, 0x09, 0x0D);
			meter_schema_charset_add(&own, 0x20, 0x20);
			meter_schema_charset_add(&own, 0xA0, 0xA0);
			meter_schema_charset_add(&own, 0x1680, 0x1680);
			meter_schema_charset_add(&own, 0x2000, 0x200A);
			meter_schema_charset_add(&own, 0x2028, 0x2029);
			meter_schema_charset_add(&own, 0x202F, 0x202F);
			meter_schema_charset_add(&own, 0x205F, 0x205F);
			meter_schema_charset_add(&own, 0x3000, 0x3000);
			meter_schema_charset_add(&own, 0xFEFF, 0xFEFF);
			break;
		case '.':
			meter_schema_charset_add(&own, '\n', '\n');
			meter_schema_charset_add(&own, '\r', '\r');
			meter_schema_charset_add(&own, 0x2028, 0x2029);
			break;
		default:
			return false;
	}
	if (letter == 'D' || letter == 'W' || letter == 'S' || letter == '.')
		meter_schema_charset_complement(&own);
	meter_schema_charset_add_set(set, &own);
	return true;
}

/* Long names of the general categories, as ECMA-262 lists them. */
static const struct
{
	const char *name;
	const char *category;
}			category_aliases[] = {
	{"Letter", "L"}, {"Uppercase_Letter", "Lu"}, {"Lowercase_Letter", "Ll"},
	{"Titlecase_Letter", "Lt"}, {"Cased_Letter", "LC"}, {"Modifier_Letter", "Lm"},
	{"Other_Letter", "Lo"}, {"Mark", "M"}, {"Combining_Mark", "M"},
	{"Nonspacing_Mark", "Mn"}, {"Spacing_Mark", "Mc"}, {"Enclosing_Mark", "Me"},
	{"Number", "N"}, {"Decimal_Number", "Nd"}, {"digit", "Nd"},
	{"Letter_Number", "Nl"}, {"Other_Number", "No"}, {"Punctuation", "P"},
	{"punct", "P"}, {"Connector_Punctuation", "Pc"}, {"Dash_Punctuation", "Pd"},
	{"Open_Punctuation", "Ps"}, {"Close_Punctuation", "Pe"},
	{"Initial_Punctuation", "Pi"}, {"Final_Punctuation", "Pf"},
	{"Other_Punctuation", "Po"}, {"Symbol", "S"}, {"Math_Symbol", "Sm"},
	{"Currency_Symbol", "Sc"}, {"Modifier_Symbol", "Sk"}, {"Other_Symbol", "So"},
	{"Separator", "Z"}, {"Space_Separator", "Zs"}, {"Line_Separator", "Zl"},
	{"Paragraph_Separator", "Zp"}, {"Other", "C"}, {"Control", "Cc"},
	{"cntrl", "Cc"}, {"Format", "Cf"}, {"Surrogate", "Cs"},
	{"Private_Use", "Co"}, {"Unassigned", "Cn"},
};

/* Does the category, an index into category_names, belong to the name? */
static bool
category_belongs(int category, const char *name)
{
	const char *own = category_names[category];

	if (strcmp(name, "LC") == 0)
		return own[0] == 'L' && strchr("ult", own[1]);
	return own[0] == name[0] && (name[1] == '\0' || own[1] == name[1]);
}

/* Add the characters of \p{name}; false for a name that is not known. */
bool
meter_schema_charset_add_property(SchemaCharset *set, const char *name, int len)
{
	char	   *wanted = pnstrdup(name, len);
	bool		found = strcmp(wanted, "LC") == 0;
	int			n = lengthof(category_runs);

	if (strcmp(wanted, "Any") == 0 || strcmp(wanted, "ASCII") == 0)
	{
		meter_schema_charset_add(set, 0, wanted[1] == 'n' ? MAX_CODE_POINT : 0x7F);
		return true;
	}
	if (strncmp(wanted, "General_Category=", 17) == 0)
		wanted += 17;
	else if (strncmp(wanted, "gc=", 3) == 0)
		wanted += 3;
	for (int i = 0; i < lengthof(category_aliases); i++)
	{
		if (strcmp(wanted, category_aliases[i].name) == 0)
			wanted = pstrdup(category_aliases[i].category);
	}
	if (strlen(wanted) > 2 || wanted[0] == '\0')
		return false;
	for (int i = 0; i < n; i++)
	{
		if (!category_belongs(category_runs[i] & 0x1F, wanted))
			continue;
		found = true;
		meter_schema_charset_add(set, category_runs[i] >> 5,
								 i + 1 < n ? (category_runs[i + 1] >> 5) - 1 : MAX_CODE_POINT);
	}
	return found;
}
