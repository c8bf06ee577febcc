-- Makes the empty balance of an account or of one of its keys; doing it again does nothing.
CREATE FUNCTION open_purse(p_account bigint, p_key_number integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  INSERT INTO balances (account_id, key_number, moment)
  VALUES (p_account, p_key_number, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
  ON CONFLICT DO NOTHING
$$
