REVOKE ALL ON FUNCTION events_wanted FROM PUBLIC;
GRANT EXECUTE ON FUNCTION events_wanted TO tallystick_worker;
