-- Promises a mail with a link to an address. The same for every address, known or not: who it belongs
-- to is looked at when the mail is sent.
CREATE FUNCTION promise_mail(
  p_kind text, p_email text, p_return_path text, p_display_name text, p_password_hash text
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  INSERT INTO promised_mails (kind, email, return_path, display_name, password_hash)
  VALUES (p_kind, p_email, p_return_path, p_display_name, p_password_hash)
$$
