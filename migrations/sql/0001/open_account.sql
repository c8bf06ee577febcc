-- Makes an account with its balance and its sign-up credits, all or nothing. An address that is known
-- already leads to the account it belongs to, which then gets nothing. Ids sort by time and do not
-- tell how many accounts there are.
CREATE FUNCTION open_account(
  p_email text, p_is_confirmed boolean, p_display_name text, p_is_demo boolean, p_sign_up_credits bigint,
  OUT account_id bigint, OUT is_new boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  account_id := ((extract(epoch FROM clock_timestamp()) * 1000)::bigint << 20) | floor(random() * 1048576)::bigint;
  is_new := true;
  BEGIN
    INSERT INTO accounts (id, display_name, is_demo) VALUES (account_id, p_display_name, p_is_demo);
    IF p_email IS NOT NULL THEN
      INSERT INTO account_contacts (account_id, email, confirmed_at)
      VALUES (open_account.account_id, lower(p_email), CASE WHEN p_is_confirmed THEN now() END);
    END IF;
  EXCEPTION WHEN unique_violation THEN
    SELECT c.account_id, false INTO STRICT account_id, is_new FROM account_contacts c WHERE c.email = lower(p_email);
    RETURN;
  END;
  PERFORM open_purse(account_id, 0);
  IF p_sign_up_credits > 0 THEN
    PERFORM post_credit(account_id, 0, 'SIGN_UP_GRANT', p_sign_up_credits, false, NULL);
  END IF;
END $$
