-- Whose session is in force: raises for an API key, and for nobody.
CREATE FUNCTION require_session() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_account bigint := caller_account_id();
BEGIN
  IF v_account IS NULL OR caller_key_number() IS NOT NULL THEN
    RAISE EXCEPTION 'this needs a signed-in session' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN v_account;
END $$
