-- Begins a session of an account; its id is unguessable and is what row-level security goes by. Without
-- hashes it cannot be refreshed.
CREATE FUNCTION start_session(
  p_account bigint, p_lasts interval, p_refresh_token_hash bytea DEFAULT NULL,
  p_family_hash bytea DEFAULT NULL, p_method text DEFAULT NULL
) RETURNS uuid
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  INSERT INTO sessions (id, account_id, refresh_token_hash, family_hash, method, expires_at)
  VALUES (gen_random_uuid(), p_account, p_refresh_token_hash, p_family_hash, p_method, now() + p_lasts)
  RETURNING id
$$
