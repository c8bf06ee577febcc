-- A mail was handed over, or is given up: its promise is forgotten, with the sign-up it carried.
CREATE FUNCTION finish_mail(p_mail bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  DELETE FROM promised_mails WHERE id = p_mail
$$
