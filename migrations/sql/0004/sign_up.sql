-- Opens an account whose address is not confirmed, with its password if it has one. A known address
-- is left as it is.
CREATE FUNCTION sign_up(
  p_email text, p_display_name text, p_password_hash text, p_sign_up_credits bigint,
  OUT account_id bigint, OUT is_new boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  SELECT o.account_id, o.is_new INTO sign_up.account_id, sign_up.is_new
    FROM open_account(p_email, false, p_display_name, false, p_sign_up_credits) o;
  IF is_new AND p_password_hash IS NOT NULL THEN
    INSERT INTO passwords (account_id, hash) VALUES (sign_up.account_id, p_password_hash);
  END IF;
END $$
