-- The account an address belongs to, or null.
CREATE FUNCTION account_of_email(p_email text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT account_id FROM account_contacts WHERE email = lower(p_email)
$$
