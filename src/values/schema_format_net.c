/*
 * schema_format_net.c
 *		Addresses: hostname, ipv4, ipv6, email.
 *
 * RFC 1123 and 952, RFC 2673, RFC 4291, RFC 5321.  A label that begins with
 * xn-- is held against the rules for any label only, not against IDNA.
 */
#include "values/schema_private.h"

static inline bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Labels of letters, digits and inner hyphens; others where wide says so. */
static bool
is_hostname(const char *s, int len, bool wide)
{
	int			start = 0;

	if (len == 0 || len > 253)
		return false;
	for (int i = 0; i <= len; i++)
	{
		if (i == len || s[i] == '.')
		{
			if (i == start || i - start > 63 || s[start] == '-' || s[i - 1] == '-')
				return false;
			start = i + 1;
		}
		else if (!is_alnum(s[i]) && s[i] != '-' && !(wide && (unsigned char) s[i] >= 0x80))
			return false;
	}
	return true;
}

bool
meter_schema_format_hostname(const char *s, int len)
{
	return is_hostname(s, len, false);
}

/* Four numbers to 255 without leading zeros. */
bool
meter_schema_format_ipv4(const char *s, int len)
{
	int			parts = 0;
	int			i = 0;

	for (;;)
	{
		int			start = i;
		int			value = 0;

		while (i < len && s[i] >= '0' && s[i] <= '9' && i - start < 3)
			value = value * 10 + (s[i++] - '0');
		if (i == start || value > 255 || (s[start] == '0' && i - start > 1))
			return false;
		parts++;
		if (i == len)
			return parts == 4;
		if (s[i++] != '.' || parts == 4)
			return false;
	}
}

/* Eight groups, one run of zeros left out at most, the last two as IPv4. */
bool
meter_schema_format_ipv6(const char *s, int len)
{
	int			groups = 0;
	bool		gap = false;
	int			i = 0;

	if (len >= 2 && s[0] == ':' && s[1] == ':')
	{
		gap = true;
		i = 2;
	}
	while (i < len)
	{
		int			start = i;

		while (i < len && isxdigit((unsigned char) s[i]))
			i++;
		if (i < len && s[i] == '.')
		{
			groups += 2;
			return meter_schema_format_ipv4(s + start, len - start) &&
				(gap ? groups < 8 : groups == 8);
		}
		if (i == start || i - start > 4)
			return false;
		groups++;
		if (i == len)
			break;
		if (s[i++] != ':' || i == len)
			return false;
		if (s[i] == ':')
		{
			if (gap)
				return false;
			gap = true;
			i++;
		}
	}
	return gap ? groups < 8 : groups == 8;
}

/* [127.0.0.1] or [IPv6:::1]. */
static bool
is_address_literal(const char *s, int len)
{
	if (len < 2 || s[0] != '[' || s[len - 1] != ']')
		return false;
	if (len > 7 && pg_strncasecmp(s + 1, "IPv6:", 5) == 0)
		return meter_schema_format_ipv6(s + 6, len - 7);
	return meter_schema_format_ipv4(s + 1, len - 2);
}

/* The part of an address before the @; returns its length, or -1. */
static int
local_part(const char *s, int len, bool wide)
{
	int			i = 0;

	if (len > 0 && s[0] == '"')
	{
		for (i = 1; i < len && s[i] != '"'; i++)
		{
			if (s[i] == '\\')
				i++;
			if (i >= len || s[i] < 0x20 || s[i] == 0x7F)
			{
				if (i >= len || (unsigned char) s[i] < 0x80 || !wide)
					return -1;
			}
		}
		return i < len ? i + 1 : -1;
	}
	for (; i < len && s[i] != '@'; i++)
	{
		bool		text = is_alnum(s[i]) || (s[i] != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", s[i])) ||
		(wide && (unsigned char) s[i] >= 0x80);

		if (!text && !(s[i] == '.' && i > 0 && s[i - 1] != '.' && i + 1 < len && s[i + 1] != '@'))
			return -1;
	}
	return i;
}

static bool
is_email(const char *s, int len, bool wide)
{
	int			at = local_part(s, len, wide);

	if (at < 1 || at > 64 || at >= len || s[at] != '@')
		return false;
	return is_hostname(s + at + 1, len - at - 1, wide) ||
		is_address_literal(s + at + 1, len - at - 1);
}

bool
meter_schema_format_email(const char *s, int len)
{
	return is_email(s, len, false);
}

bool
meter_schema_format_idn_email(const char *s, int len)
{
	return is_email(s, len, true);
}
