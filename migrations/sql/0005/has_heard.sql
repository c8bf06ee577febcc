-- Whether a provider's message was dealt with.
CREATE FUNCTION has_heard(p_account bigint, p_provider text, p_key text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT EXISTS (SELECT FROM payment_events e
                  WHERE e.account_id = p_account AND e.provider = p_provider AND e.key = p_key)
$$
