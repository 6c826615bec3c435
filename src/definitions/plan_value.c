/*
 * plan_value.c
 *		What definitions are made of: labels, paths, objects, arrays.
 */
#include "definitions/compiler.h"

#include "mb/pg_wchar.h"

#include "values/uuid.h"

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
	/* a field's code may begin with $ */
	if (meter_plan_has_field(c->plan, text, len))
		text = psprintf("$.\"%.*s\"", len, text), len += 4;
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
	const char *text = "";
	int			len = 0;

	if (c->doc->nodes[node].type == METER_JSON_STRING)
		text = meter_json_string(c->doc, node, &len);
	return meter_uuid_parse(text, len, NULL) || meter_plan_refuse(c, "INVALID_UUID", "expected a UUID of 36 characters");
}

/* A member of an object, or -1 where it is missing or null. */
int
meter_plan_member(MeterPlanCompiler *c, int object, const char *key)
{
	int			node = meter_json_member(c->doc, object, key, strlen(key));

	return node >= 0 && c->doc->nodes[node].type == METER_JSON_NULL ? -1 : node;
}

/* Is node an object of no other members than these? */
bool
meter_plan_object(MeterPlanCompiler *c, int node, const char *const *known, int nknown)
{
	MeterJsonMember *members;
	int			n;

	if (c->doc->nodes[node].type != METER_JSON_OBJECT)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected an object");
	n = meter_json_members(c->doc, node, &members);
	for (int i = 0; i < n; i++)
	{
		bool		found = false;

		for (int k = 0; k < nknown && !found; k++)
			found = strlen(known[k]) == members[i].keylen &&
				memcmp(known[k], members[i].key, members[i].keylen) == 0;
		if (!found)
		{
			meter_error_set(c->err, "UNKNOWN_KEY", "unknown key \"%.*s\"",
							members[i].keylen, members[i].key);
			meter_error_prepend(c->err, members[i].key, members[i].keylen);
			return false;
		}
	}
	return true;
}

/* Read the elements of an array of min to max. */
bool
meter_plan_array(MeterPlanCompiler *c, int node, int min, int max, MeterReadElement read)
{
	const MeterJsonNode *nodes = c->doc->nodes;
	int			i = 0;

	if (nodes[node].type != METER_JSON_ARRAY)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected an array");
	if (nodes[node].count < min || nodes[node].count > max)
		return meter_error_set(c->err, "INVALID_LENGTH", "expected %d to %d elements, got %d",
							   min, max, nodes[node].count);
	for (int v = node + 1; v < nodes[node].next; v = nodes[v].next)
	{
		if (!read(c, v, i))
		{
			char		number[16];

			meter_error_prepend(c->err, number, snprintf(number, sizeof(number), "%d", i));
			return false;
		}
		i++;
	}
	return true;
}

/* Read a member; missing and null are the same. */
bool
meter_plan_read(MeterPlanCompiler *c, int object, const char *key, bool required, MeterReadKey read)
{
	int			node = meter_plan_member(c, object, key);

	if (node < 0)
		return !required ||
			meter_plan_refuse_at(c, key, "MISSING_KEY", psprintf("%s is required", key));
	if (read(c, node))
		return true;
	meter_error_prepend(c->err, key, strlen(key));
	return false;
}
