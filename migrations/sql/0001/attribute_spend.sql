-- Takes what a purse has spent since its lots last changed out of those lots, in burn order:
-- earliest expiry, free before paid, oldest. The caller holds the lock on the balance.
CREATE FUNCTION attribute_spend(p_account bigint, p_key integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_left bigint;
  v_lot record;
BEGIN
  SELECT unattributed INTO STRICT v_left FROM balances WHERE account_id = p_account AND key_number = p_key;
  IF v_left = 0 THEN
    RETURN;
  END IF;
  FOR v_lot IN
    SELECT moment, remaining FROM lots
     WHERE account_id = p_account AND key_number = p_key AND remaining > 0
     ORDER BY expires_at NULLS LAST, is_paid, moment
  LOOP
    UPDATE lots SET remaining = remaining - least(v_left, v_lot.remaining)
     WHERE account_id = p_account AND key_number = p_key AND moment = v_lot.moment;
    v_left := v_left - least(v_left, v_lot.remaining);
    EXIT WHEN v_left = 0;
  END LOOP;
  IF v_left > 0 THEN
    RAISE EXCEPTION 'purse (%, %) spent % more than its lots held', p_account, p_key, v_left
      USING ERRCODE = 'data_corrupted';
  END IF;
  UPDATE balances SET unattributed = 0,
         next_expiry = (SELECT min(expires_at) FROM lots
                         WHERE account_id = p_account AND key_number = p_key AND remaining > 0)
   WHERE account_id = p_account AND key_number = p_key;
END $$
