REVOKE ALL ON FUNCTION dead_deliveries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dead_deliveries TO tallystick_worker;
