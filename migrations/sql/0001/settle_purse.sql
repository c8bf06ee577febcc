-- Books what is already true of a purse: credits whose time is over expire, and what is owed is
-- collected from what has become available. Credits under a hold taken before their lot's time
-- was over stay until that hold ends. Locks the balance.
CREATE FUNCTION settle_purse(p_account bigint, p_key integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_free bigint;       -- may leave the purse: available now
  v_covered bigint := 0;
  v_held bigint;
  v_gone bigint;
  v_owed bigint;
  v_lot record;
BEGIN
  SELECT total - held, owed INTO STRICT v_free, v_owed FROM balances
   WHERE account_id = p_account AND key_number = p_key FOR NO KEY UPDATE;
  PERFORM attribute_spend(p_account, p_key);
  FOR v_lot IN
    SELECT moment, remaining, expires_at FROM lots
     WHERE account_id = p_account AND key_number = p_key AND remaining > 0 AND expires_at <= clock_timestamp()
     ORDER BY expires_at, is_paid, moment
  LOOP
    SELECT coalesce(sum(amount), 0) INTO v_held FROM holds
     WHERE account_id = p_account AND key_number = p_key AND ended_moment IS NULL
       AND moment > (SELECT m.moment FROM sweep_mark m) AND moment < (extract(epoch FROM v_lot.expires_at) * 1000000)::bigint;
    v_held := least(v_lot.remaining, greatest(0, v_held - v_covered));
    v_covered := v_covered + v_held;
    v_gone := least(v_lot.remaining - v_held, v_free);
    CONTINUE WHEN v_gone = 0;
    v_free := v_free - v_gone;
    UPDATE lots SET remaining = remaining - v_gone
     WHERE account_id = p_account AND key_number = p_key AND moment = v_lot.moment;
    PERFORM post_entry(p_account, p_key, 'EXPIRY', -v_gone);
  END LOOP;
  IF v_owed > 0 AND v_free > 0 THEN
    v_owed := least(v_owed, v_free);
    PERFORM post_entry(p_account, p_key, 'CHARGEBACK', -v_owed, 'owed from a payment taken back earlier');
    UPDATE balances SET owed = owed - v_owed, unattributed = unattributed + v_owed
     WHERE account_id = p_account AND key_number = p_key;
    PERFORM attribute_spend(p_account, p_key);
  END IF;
  UPDATE balances
     SET next_expiry = (SELECT min(expires_at) FROM lots
                         WHERE account_id = p_account AND key_number = p_key AND remaining > 0)
   WHERE account_id = p_account AND key_number = p_key;
END $$
