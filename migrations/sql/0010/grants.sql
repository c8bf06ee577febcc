REVOKE ALL ON FUNCTION adopt_identity, enter_from_outside FROM PUBLIC;
GRANT EXECUTE ON FUNCTION adopt_identity, enter_from_outside TO tallystick_auth;
