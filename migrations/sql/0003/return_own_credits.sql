-- Moves what a revoked key has available back to its account, and notes when nothing is left of it;
-- returns how much was moved. The caller holds the locks on both balances.
CREATE FUNCTION return_own_credits(p_account bigint, p_number integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_free bigint;
  v_outcome smallint;
BEGIN
  LOOP
    PERFORM settle_purse(p_account, p_number);
    SELECT b.total - b.held INTO STRICT v_free FROM balances b WHERE b.account_id = p_account AND b.key_number = p_number;
    EXIT WHEN v_free = 0;
    SELECT t.outcome INTO v_outcome
      FROM transfer_credits(p_account, p_number, 0, v_free, 'revokeApiKey', gen_random_uuid(), gen_random_uuid()) t;
    EXIT WHEN v_outcome = 0;  -- else a lot lapsed between the look and the move
  END LOOP;
  UPDATE api_keys k SET emptied_at = clock_timestamp()
   WHERE k.account_id = p_account AND k.key_number = p_number AND k.emptied_at IS NULL
     AND NOT EXISTS (SELECT FROM balances b WHERE b.account_id = p_account AND b.key_number = p_number AND b.total > 0);
  RETURN v_free;
END $$
