SELECT meter.protect_tables();

-- Nothing is PUBLIC: who may do what is said by grants to roles.
REVOKE ALL ON ALL TABLES IN SCHEMA meter, meter_api FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA meter, meter_api FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA meter, meter_api FROM PUBLIC;
