REVOKE ALL ON FUNCTION find_accounts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_accounts TO tallystick_admin;
