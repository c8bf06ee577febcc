-- The number of the API key whose context is in force; null in a session's.
CREATE FUNCTION caller_key_number() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT k.key_number FROM api_keys k
   WHERE k.context_id = nullif(current_setting('tallystick.session_id', true), '')::uuid
$$
