/*
 * plan_text.c
 *		Single values of a definition: labels, paths, booleans, UUIDs.
 */
#include "definitions/compiler.h"

#include <ctype.h>

#include "mb/pg_wchar.h"

/* Code points that print nothing, or only space. */
static bool
blank_code_point(pg_wchar c)
{
	return c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD || c == 0x1680 ||
		(c >= 0x2000 && c <= 0x200F) || (c >= 0x2028 && c <= 0x202F) ||
		(c >= 0x205F && c <= 0x206F) || c == 0x3000 || c == 0xFEFF ||
		(c >= 0xFFF9 && c <= 0xFFFB);
}

/* A label: so many printable characters, with spaces only inside. */
bool
meter_plan_label(MeterPlanCompiler *c, int node, int max, const char **out)
{
	char	   *text;
	int			len;
	int			chars = 0;

	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected a string");
	text = meter_json_cstring(c->doc, node);
	len = strlen(text);
	for (char *p = text; *p; p += pg_utf_mblen((unsigned char *) p))
	{
		if (blank_code_point(utf8_to_unicode((unsigned char *) p)))
			return meter_plan_refuse(c, "INVALID_TEXT", "non-printable characters and white space other than inner spaces are not allowed");
		chars++;
	}
	if (chars < 1 || chars > max)
		return meter_error_set(c->err, "INVALID_LENGTH", "expected 1 to %d characters, got %d", max, chars);
	if (text[0] == ' ' || text[len - 1] == ' ')
		return meter_plan_refuse(c, "INVALID_TEXT", "must not begin or end with a space");
	*out = text;
	return true;
}

/* A JSON path. */
bool
meter_plan_path(MeterPlanCompiler *c, int node, MeterPath **out)
{
	const char *text;
	int			len;

	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected a JSON path, a string");
	text = meter_json_string(c->doc, node, &len);
	*out = meter_path_compile(text, len, c->err);
	return *out != NULL;
}

/* true or false. */
bool
meter_plan_boolean(MeterPlanCompiler *c, int node, bool *out)
{
	MeterJsonType type = c->doc->nodes[node].type;

	*out = type == METER_JSON_TRUE;
	return type == METER_JSON_TRUE || type == METER_JSON_FALSE ||
		meter_plan_refuse(c, "INVALID_TYPE", "expected true or false");
}

/* Text that is only shown. */
bool
meter_plan_text(MeterPlanCompiler *c, int node)
{
	return c->doc->nodes[node].type == METER_JSON_STRING ||
		meter_plan_refuse(c, "INVALID_TYPE", "expected a string");
}

/* A UUID as text. */
bool
meter_plan_uuid(MeterPlanCompiler *c, int node)
{
	static const char pattern[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const char *text = "";
	int			len = 0;
	bool		ok;

	if (c->doc->nodes[node].type == METER_JSON_STRING)
		text = meter_json_string(c->doc, node, &len);
	ok = len == sizeof(pattern) - 1;
	for (int i = 0; i < len && ok; i++)
		ok = pattern[i] == '-' ? text[i] == '-' : isxdigit((unsigned char) text[i]) != 0;
	return ok || meter_plan_refuse(c, "INVALID_UUID", "expected a UUID of 36 characters");
}
