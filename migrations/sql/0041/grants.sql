REVOKE ALL ON FUNCTION answer_of_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION answer_of_key TO tallystick_worker;
