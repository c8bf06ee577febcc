REVOKE ALL ON FUNCTION available_credits FROM PUBLIC;
GRANT EXECUTE ON FUNCTION available_credits TO tallystick_worker;
