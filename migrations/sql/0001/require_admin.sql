-- The second check of an administrator's right: raises unless the session in force is one's.
CREATE FUNCTION require_admin() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  IF NOT caller_is_admin() THEN
    RAISE EXCEPTION 'this needs an administrator''s session' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN caller_account_id();
END $$
