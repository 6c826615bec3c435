-- The HTTP surface: what PostgREST exposes.  Views and functions only.

CREATE SCHEMA meter_api;
COMMENT ON SCHEMA meter_api IS 'Usage metering over HTTP: meters, usage, thresholds, devices.';
