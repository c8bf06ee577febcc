-- Takes back or restores so much of a payment's credits that p_target of them are taken back: only the
-- difference is posted. What the balance does not cover becomes owed; returns how much. The caller holds
-- the locks on the balance and on the payment.
CREATE FUNCTION take_back_credits(p_payment payments, p_entry bigint, p_target bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_delta bigint := p_target - p_payment.taken_back;
  v_owed bigint := 0;
  v_repaid bigint;
  v_line bigint;
  v_expires_at timestamptz := to_timestamp(p_entry / 1000000.0) + p_payment.valid_days * interval '1 day'
                              + (clock_timestamp() - p_payment.taken_at);
BEGIN
  IF v_delta > 0 THEN
    PERFORM settle_purse(p_payment.account_id, 0);
    SELECT owed INTO STRICT v_owed FROM balances WHERE account_id = p_payment.account_id AND key_number = 0;
    v_line := post_debit(p_payment.account_id, 0, 'CHARGEBACK', v_delta, true,
                         'a payment was refunded or disputed', NULL, p_entry);
    SELECT owed - v_owed INTO STRICT v_owed FROM balances WHERE account_id = p_payment.account_id AND key_number = 0;
  ELSIF v_delta < 0 THEN
    -- What was spent of them is owed no more, though their time may be over since. The time during which
    -- they were away is added to the validity of the rest.
    PERFORM settle_purse(p_payment.account_id, 0);
    SELECT least(owed, -v_delta) INTO STRICT v_repaid FROM balances WHERE account_id = p_payment.account_id AND key_number = 0;
    v_line := post_entry(p_payment.account_id, 0, 'CHARGEBACK', -v_delta, 'a refund failed or a dispute was won');
    INSERT INTO lots (account_id, moment, key_number, entry_moment, amount, remaining, is_paid, expires_at)
    VALUES (p_payment.account_id, v_line, 0, v_line, -v_delta, -v_delta - v_repaid, true, v_expires_at);
    IF v_repaid > 0 THEN
      PERFORM post_entry(p_payment.account_id, 0, 'CHARGEBACK', -v_repaid, 'owed from a payment taken back earlier');
      UPDATE balances SET owed = owed - v_repaid WHERE account_id = p_payment.account_id AND key_number = 0;
    END IF;
    PERFORM settle_purse(p_payment.account_id, 0);
  END IF;
  -- Where nothing was there to take, v_line is an earlier line, of this payment or not.
  INSERT INTO payment_entries (account_id, moment, payment_moment)
  SELECT e.account_id, e.moment, p_payment.moment FROM entries e
   WHERE e.account_id = p_payment.account_id AND e.moment = v_line AND e.key_number = 0
     AND e.kind = 'CHARGEBACK' AND (v_delta < 0 OR e.amount = v_owed - v_delta)
  ON CONFLICT DO NOTHING;
  RETURN v_owed;
END $$
