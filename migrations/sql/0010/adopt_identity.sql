-- The account of somebody whom another issuer vouches for, made at first sight. An address is given
-- only if the issuer confirmed it: it leads to the account that has it confirmed here too, or else
-- becomes the account's with its sign-up credits. An address that somebody here merely claims stays
-- with them, and whoever proved it elsewhere gets an account without it, and without credits.
CREATE FUNCTION adopt_identity(
  p_issuer text, p_subject text, p_email text, p_display_name text, p_sign_up_credits bigint,
  OUT account_id bigint, OUT is_new boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_is_confirmed boolean;
  v_holder bigint;
  v_holder_is_confirmed boolean;
BEGIN
  is_new := false;
  SELECT i.account_id, i.is_confirmed INTO adopt_identity.account_id, v_is_confirmed
    FROM outside_identities i WHERE i.issuer = p_issuer AND i.subject = p_subject;
  IF FOUND AND (v_is_confirmed OR p_email IS NULL) THEN
    RETURN;
  END IF;
  -- Those who come as one subject take turns, and so do those who come with one address.
  PERFORM pg_advisory_xact_lock(hashtext('tallystick.identities'), hashtext(p_issuer || ' ' || p_subject));
  IF p_email IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(hashtext('tallystick.addresses'), hashtext(lower(p_email)));
  END IF;
  SELECT i.account_id, i.is_confirmed INTO adopt_identity.account_id, v_is_confirmed
    FROM outside_identities i WHERE i.issuer = p_issuer AND i.subject = p_subject;
  IF FOUND AND (v_is_confirmed OR p_email IS NULL) THEN
    RETURN;
  END IF;
  IF p_email IS NOT NULL AND adopt_identity.account_id IS NULL THEN
    SELECT o.account_id, o.is_new INTO adopt_identity.account_id, is_new
      FROM open_account(p_email, true, p_display_name, false, p_sign_up_credits) o;
    SELECT c.account_id, c.confirmed_at IS NOT NULL AND NOT a.is_demo INTO v_holder, v_holder_is_confirmed
      FROM account_contacts c JOIN accounts a ON a.id = c.account_id WHERE c.email = lower(p_email);
    IF NOT v_holder_is_confirmed THEN
      adopt_identity.account_id := NULL;
    END IF;
  ELSIF p_email IS NOT NULL THEN
    INSERT INTO account_contacts (account_id, email, confirmed_at)
    VALUES (adopt_identity.account_id, lower(p_email), now())
    ON CONFLICT DO NOTHING;
    IF FOUND AND p_sign_up_credits > 0 THEN
      PERFORM post_credit(adopt_identity.account_id, 0, 'SIGN_UP_GRANT', p_sign_up_credits, false, NULL);
    END IF;
  END IF;
  IF adopt_identity.account_id IS NULL THEN
    SELECT o.account_id, o.is_new INTO adopt_identity.account_id, is_new
      FROM open_account(NULL, false, p_display_name, false, 0) o;
  END IF;
  INSERT INTO outside_identities (issuer, subject, account_id, is_confirmed)
  VALUES (p_issuer, p_subject, adopt_identity.account_id, p_email IS NOT NULL)
  ON CONFLICT (issuer, subject) DO UPDATE SET is_confirmed = excluded.is_confirmed;
END $$
