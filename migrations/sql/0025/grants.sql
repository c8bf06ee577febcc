REVOKE ALL ON FUNCTION tell_of_low, tell_of_answers, tell_of_end, apply_and_tell, apply_carefully_and_tell FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tell_of_end, apply_and_tell, apply_carefully_and_tell TO tallystick_worker;
