-- Asks the runner of an answer to cancel it; nothing, when nobody runs it.
CREATE FUNCTION request_cancel(p_account bigint, p_key_number integer, p_moment bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  INSERT INTO cancel_requests (account_id, moment, key_number, runner)
  SELECT h.account_id, h.moment, h.key_number, h.runner FROM holds h
   WHERE h.account_id = p_account AND h.moment = p_moment AND h.key_number = p_key_number
     AND h.ended_moment IS NULL AND h.runner IS NOT NULL
  ON CONFLICT DO NOTHING
$$
