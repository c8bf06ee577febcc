REVOKE ALL ON FUNCTION collect_from_keys, collect_owed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION collect_owed TO tallystick_worker;
