-- Takes back or restores so much of a payment's credits that p_target of them are taken back: only the
-- difference is posted. What the balance does not cover becomes owed; returns how much. The caller holds
-- the locks on the balance and on the payment.
CREATE FUNCTION take_back_credits(p_payment payments, p_entry bigint, p_target bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_delta bigint := p_target - p_payment.taken_back;
  v_owed bigint := 0;
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
    -- The time during which they were away is added to their validity. If that was over when they were
    -- taken, they were other credits, or owed, and do not lapse.
    v_line := post_credit(p_payment.account_id, 0, 'CHARGEBACK', -v_delta, true,
                          CASE WHEN v_expires_at > clock_timestamp() THEN v_expires_at END,
                          'a refund failed or a dispute was won');
  END IF;
  -- Where nothing was there to take, v_line is an earlier line, of this payment or not.
  INSERT INTO payment_entries (account_id, moment, payment_moment)
  SELECT e.account_id, e.moment, p_payment.moment FROM entries e
   WHERE e.account_id = p_payment.account_id AND e.moment = v_line AND e.key_number = 0
     AND e.kind = 'CHARGEBACK' AND (v_delta < 0 OR e.amount = v_owed - v_delta)
  ON CONFLICT DO NOTHING;
  RETURN v_owed;
END $$
