REVOKE ALL ON FUNCTION forget_alerts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_alerts TO tallystick_worker;
