-- Windows: two functions to try a definition out.
-- Not IMMUTABLE: a zone's rules change with the server's time zone data.

CREATE FUNCTION meter.window_bounds("window" jsonb, at timestamptz,
                                    OUT window_start timestamptz, OUT window_end timestamptz)
	RETURNS record
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_window_bounds_sql';

COMMENT ON FUNCTION meter.window_bounds(jsonb, timestamptz) IS
'The window that holds a time: window_start <= at < window_end.

window: {"size": "minute|hour|day|week|month|quarter|year|billing_period", "count": 1 to 1000,
  "time_zone": IANA name, "anchor": RFC 3339 time or null, "week_start": "monday" to "sunday"}.
  A member that is absent or null has the default: one calendar month in UTC, weeks from Monday.
  Null: all of them.
at: the time, in the years 0001 to 9999. Null gives nulls.

Windows tile all of time: none is empty, the end of one is the start of the next, across every
shift of a zone''s clock.
* Without an anchor, windows are counted on the zone''s clock: minutes, hours and days from Monday
  2000-01-03 00:00, weeks from the one that holds that day, months, quarters and years from
  January of the year 0. week_start is for these weeks only.
* With one, minutes and hours are elapsed time from the anchor; of the others each boundary is the
  anchor''s local date and time plus k steps, a day past the end of a month being its last (31
  January, 28 February, 31 March). A billing_period is a month here; usage takes the
  subscription''s own.
* A day on which the clock shifts has its real length, 23 or 25 hours. A boundary that a leap of
  the clock skips falls on the leap; one that the clock shows twice is its first coming; a day that
  a zone dropped has no window.
* Windows of up to an hour without an anchor follow the hands of the clock through a shift (the
  repeated hour is a window of its own); where a shift is no multiple of their length, one is cut
  at it. Longer ones run from reading to reading (six-hour windows are four on every day).

Errors: 22023 with code and JSON pointer (INVALID_WINDOW, INVALID_TIME, UNKNOWN_KEY) where the
definition is wrong, 22008 where the time is outside the years 0001 to 9999.
Source: seeds 000 (window) and 004 (aggregation_time_window); time zones as in the IANA database.';

CREATE FUNCTION meter.windows("window" jsonb, period_from timestamptz, period_to timestamptz)
	RETURNS TABLE (window_start timestamptz, window_end timestamptz)
	LANGUAGE c STABLE PARALLEL SAFE ROWS 100
	AS 'MODULE_PATHNAME', 'meter_windows_sql';

COMMENT ON FUNCTION meter.windows(jsonb, timestamptz, timestamptz) IS
'The windows that have a moment in [period_from, period_to), in order.

window: as for meter.window_bounds.
period_from, period_to: in the years 0001 to 9999. Null or an empty period gives no rows.

Windows are whole: the first may start before period_from, the last end after period_to.

Errors: as meter.window_bounds; 54000 where there are more than 1,000,000 windows.
Source: seeds 000 (window) and 004 (aggregation_time_window).';
