/*
 * schema_format.c
 *		The formats that can be asserted, and the short ones of them.
 */
#include "values/schema_pattern.h"

#include "mb/pg_wchar.h"

#include "values/uuid.h"

static bool
format_uuid(const char *s, int len)
{
	return meter_uuid_parse(s, len, NULL);
}

/* RFC 6901. */
static bool
format_json_pointer(const char *s, int len)
{
	if (len > 0 && s[0] != '/')
		return false;
	for (int i = 0; i < len; i++)
	{
		if (s[i] == '~' && (i + 1 >= len || (s[i + 1] != '0' && s[i + 1] != '1')))
			return false;
	}
	return true;
}

/* draft-bhutton-relative-json-pointer-00: how far up, then # or a pointer. */
static bool
format_relative_json_pointer(const char *s, int len)
{
	int			i = 0;

	while (i < len && s[i] >= '0' && s[i] <= '9')
		i++;
	if (i == 0 || (i > 1 && s[0] == '0'))
		return false;
	if (len == i + 1 && s[i] == '#')
		return true;
	return format_json_pointer(s + i, len - i);
}

static bool
format_regex(const char *s, int len)
{
	StringInfoData out;
	const char *message;
	int			cost;
	SchemaEcma	result;

	initStringInfo(&out);
	result = meter_schema_ecma_translate(s, len, &out, NULL, &cost, &message);
	pfree(out.data);
	return result != SCHEMA_ECMA_INVALID;
}

/* idn-hostname is missing: it takes the tables of IDNA 2008. */
static const struct
{
	const char *name;
	SchemaFormatCheck check;
}			formats[] = {
	{"date", meter_schema_format_date},
	{"date-time", meter_schema_format_date_time},
	{"duration", meter_schema_format_duration},
	{"email", meter_schema_format_email},
	{"hostname", meter_schema_format_hostname},
	{"idn-email", meter_schema_format_idn_email},
	{"ipv4", meter_schema_format_ipv4},
	{"ipv6", meter_schema_format_ipv6},
	{"iri", meter_schema_format_iri},
	{"iri-reference", meter_schema_format_iri_reference},
	{"json-pointer", format_json_pointer},
	{"regex", format_regex},
	{"relative-json-pointer", format_relative_json_pointer},
	{"time", meter_schema_format_time},
	{"uri", meter_schema_format_uri},
	{"uri-reference", meter_schema_format_uri_reference},
	{"uri-template", meter_schema_format_uri_template},
	{"uuid", format_uuid},
};

/* The check of a format, or NULL for one that cannot be asserted. */
SchemaFormatCheck
meter_schema_format(const char *name, int len)
{
	for (int i = 0; i < lengthof(formats); i++)
	{
		if (strlen(formats[i].name) == len && memcmp(formats[i].name, name, len) == 0)
			return formats[i].check;
	}
	return NULL;
}
