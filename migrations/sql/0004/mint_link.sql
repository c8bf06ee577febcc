-- Makes the link of a claimed mail known by its hash; returns what following it will do. Null: there is
-- nothing to mail, because nobody has the address and it did not ask to sign up, or because it is a demo
-- account's; the promise is then kept by silence.
CREATE FUNCTION mint_link(p_mail bigint, p_token_hash bytea, p_lasts interval) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_mail promised_mails;
  v_is_demo boolean;
BEGIN
  SELECT * INTO v_mail FROM promised_mails WHERE id = p_mail;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  SELECT a.is_demo INTO v_is_demo
    FROM account_contacts c JOIN accounts a ON a.id = c.account_id
   WHERE c.email = v_mail.email;
  IF v_is_demo OR v_is_demo IS NULL AND v_mail.kind = 'SIGN_IN' THEN
    DELETE FROM promised_mails WHERE id = p_mail;
    RETURN NULL;
  END IF;
  IF v_is_demo IS NULL THEN
    INSERT INTO mailed_links (token_hash, email, signs_up, display_name, password_hash, expires_at)
    VALUES (p_token_hash, v_mail.email, true, v_mail.display_name, v_mail.password_hash, now() + p_lasts);
    RETURN 'SIGN_UP';
  END IF;
  INSERT INTO mailed_links (token_hash, email, signs_up, expires_at)
  VALUES (p_token_hash, v_mail.email, false, now() + p_lasts);
  RETURN 'SIGN_IN';
END $$
