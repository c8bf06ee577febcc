REVOKE ALL ON FUNCTION recent_imbalances FROM PUBLIC;
GRANT EXECUTE ON FUNCTION recent_imbalances TO tallystick_worker;
