REVOKE ALL ON FUNCTION held_answer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION held_answer TO tallystick_worker;
