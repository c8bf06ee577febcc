-- What an idempotency key was used for before: 1 (replayed) with the moment of the first effect,
-- 2 (conflict) when the input was another, null when the key is new. The caller holds the lock on a
-- balance of the account, so that nobody can use the key between this look and the effect.
CREATE FUNCTION known_key(
  p_account bigint, p_operation text, p_key uuid, p_digest uuid, OUT outcome smallint, OUT moment bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT CASE WHEN k.digest = p_digest THEN 1 ELSE 2 END::smallint, k.moment
    FROM idempotency_keys k
   WHERE k.account_id = p_account AND k.operation = p_operation AND k.key = p_key
$$
