REVOKE ALL ON FUNCTION take_allowances, forget_buckets FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_allowances, forget_buckets TO tallystick_auth;
