-- The answers that somebody follows now.
CREATE FUNCTION answers_followed() RETURNS TABLE (account_id bigint, key_number integer, moment bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT f.account_id, f.key_number, f.moment FROM answer_followers f WHERE f.until > now()
$$
