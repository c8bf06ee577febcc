-- Gives back what has become available of revoked keys since they ended, a few keys at a time; returns
-- how many. Locks balances in the order in which apply() does.
CREATE FUNCTION empty_revoked_keys(p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_key record;
  v_emptied integer := 0;
BEGIN
  FOR v_key IN
    SELECT k.account_id, k.key_number FROM api_keys k JOIN balances b USING (account_id, key_number)
     WHERE k.funding = 'OWN' AND k.revoked_at IS NOT NULL AND k.emptied_at IS NULL AND (b.total > b.held OR b.total = 0)
     ORDER BY k.account_id, k.key_number
     LIMIT p_limit
  LOOP
    PERFORM FROM balances b WHERE b.account_id = v_key.account_id AND b.key_number IN (0, v_key.key_number)
      ORDER BY b.key_number FOR NO KEY UPDATE;
    PERFORM return_own_credits(v_key.account_id, v_key.key_number);
    v_emptied := v_emptied + 1;
  END LOOP;
  RETURN v_emptied;
END $$
