-- Trades a link's token, once, for a session of the account its address belongs to. The address is
-- proved by it: a sign-up that waited for that becomes an account. An account that was opened under
-- the address by somebody who never proved it loses that somebody's password, keys and sessions.
CREATE FUNCTION redeem_link(
  p_token_hash bytea, p_sign_up_credits bigint, p_lasts interval, p_refresh_token_hash bytea, p_family_hash bytea,
  OUT outcome text, OUT account_id bigint, OUT session_id uuid
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_link mailed_links;
  v_is_new boolean;
  v_status text;
BEGIN
  -- Links of one address take turns: each that is followed makes the others worthless.
  PERFORM pg_advisory_xact_lock(hashtext('tallystick.links'), hashtext(email)) FROM mailed_links WHERE token_hash = p_token_hash;
  UPDATE mailed_links SET used_at = now()
   WHERE token_hash = p_token_hash AND used_at IS NULL AND expires_at > clock_timestamp()
  RETURNING * INTO v_link;
  IF NOT FOUND THEN
    outcome := 'INVALID';
    RETURN;
  END IF;
  IF v_link.signs_up THEN
    SELECT o.account_id, o.is_new INTO redeem_link.account_id, v_is_new
      FROM open_account(v_link.email, true, v_link.display_name, false, p_sign_up_credits) o;
  ELSE
    SELECT c.account_id, false INTO redeem_link.account_id, v_is_new
      FROM account_contacts c WHERE c.email = v_link.email;
  END IF;
  SELECT a.status INTO v_status FROM accounts a WHERE a.id = redeem_link.account_id AND NOT a.is_demo FOR UPDATE;
  IF NOT FOUND OR v_status <> 'ACTIVE' THEN
    outcome := CASE v_status WHEN 'SUSPENDED' THEN 'SUSPENDED' ELSE 'INVALID' END;
    RETURN;
  END IF;
  IF v_is_new THEN
    IF v_link.password_hash IS NOT NULL THEN
      INSERT INTO passwords (account_id, hash) VALUES (redeem_link.account_id, v_link.password_hash);
    END IF;
  ELSE
    UPDATE account_contacts c SET confirmed_at = now()
     WHERE c.account_id = redeem_link.account_id AND c.confirmed_at IS NULL;
    IF FOUND THEN
      DELETE FROM passwords p WHERE p.account_id = redeem_link.account_id;
      UPDATE api_keys k SET revoked_at = clock_timestamp()
       WHERE k.account_id = redeem_link.account_id AND k.revoked_at IS NULL;
      UPDATE sessions s SET ended_at = now() WHERE s.account_id = redeem_link.account_id AND s.ended_at IS NULL;
    END IF;
  END IF;
  UPDATE mailed_links SET used_at = now() WHERE email = v_link.email AND used_at IS NULL;
  session_id := start_session(redeem_link.account_id, p_lasts, p_refresh_token_hash, p_family_hash, 'MAGIC_LINK');
  outcome := 'SIGNED_IN';
END $$
