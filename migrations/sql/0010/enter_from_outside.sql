-- Puts the session of another issuer's token in force until the token expires, and says whether it
-- is: one that was ended here stays ended, and so does what was issued before everything was ended.
CREATE FUNCTION enter_from_outside(
  p_issuer text, p_subject text, p_email text, p_display_name text, p_sign_up_credits bigint,
  p_session uuid, p_method text, p_issued_at timestamptz, p_expires_at timestamptz
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_account bigint;
  v_ended_before timestamptz;
BEGIN
  SELECT o.account_id INTO v_account
    FROM adopt_identity(p_issuer, p_subject, p_email, p_display_name, p_sign_up_credits) o;
  -- Locked against whoever ends everything at this moment.
  SELECT i.ended_before INTO v_ended_before
    FROM outside_identities i WHERE i.issuer = p_issuer AND i.subject = p_subject FOR SHARE;
  IF p_issued_at <= v_ended_before THEN
    RETURN false;
  END IF;
  INSERT INTO sessions AS s (id, account_id, method, expires_at)
  VALUES (p_session, v_account, p_method, p_expires_at)
  ON CONFLICT (id) DO UPDATE SET expires_at = greatest(s.expires_at, excluded.expires_at)
   WHERE s.ended_at IS NULL AND s.account_id = excluded.account_id;
  RETURN FOUND;
END $$
