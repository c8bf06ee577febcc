-- Makes a settlement of a payment true, in one commit with the credits that come in or go back and with
-- the message of the provider that led to it. Outcomes: 0 changed, 1 all was so already, 2 the payment
-- has changed since revision p_revision and nothing was done, 3 the charge pays for another payment.
CREATE FUNCTION settle_payment(
  p_account bigint, p_moment bigint, p_revision bigint, p_status text, p_charge text, p_customer text, p_receipt text,
  p_paid_at timestamptz, p_money_back bigint, p_taken_back bigint, p_is_told boolean,
  p_kinds text[], p_references text[], p_amounts bigint[], p_states text[],
  p_event text, p_event_kind text, p_suspends boolean
) RETURNS smallint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_payment payments;
  v_after payments;
  v_is_changed boolean := false;
  v_now timestamptz := clock_timestamp();
BEGIN
  PERFORM FROM balances WHERE account_id = p_account AND key_number = 0 FOR NO KEY UPDATE;
  SELECT * INTO STRICT v_payment FROM payments
   WHERE account_id = p_account AND moment = p_moment AND key_number = 0 FOR NO KEY UPDATE;
  IF v_payment.revision <> p_revision THEN
    RETURN 2;
  END IF;
  IF EXISTS (SELECT FROM payments WHERE provider = v_payment.provider AND charge_reference = p_charge
                AND (account_id, moment) <> (p_account, p_moment)) THEN
    RETURN 3;
  END IF;
  v_after := v_payment;
  v_after.status := p_status;
  v_after.charge_reference := coalesce(p_charge, v_payment.charge_reference);
  v_after.customer_reference := coalesce(p_customer, v_payment.customer_reference);
  v_after.receipt_url := coalesce(p_receipt, v_payment.receipt_url);
  v_after.money_back := p_money_back;
  v_after.taken_back := p_taken_back;
  IF p_status IN ('SUCCEEDED', 'REVERSED') AND v_payment.entry_moment IS NULL THEN
    v_after.paid_at := coalesce(p_paid_at, v_now);
    v_after.entry_moment := post_purchase(
      p_account, v_payment.credits, v_payment.bonus, v_now + v_payment.valid_days * interval '1 day',
      v_now + v_payment.bonus_valid_days * interval '1 day', v_payment.pack_name);
    INSERT INTO payment_entries (account_id, moment, payment_moment) VALUES (p_account, v_after.entry_moment, p_moment);
  END IF;
  IF p_taken_back <> v_payment.taken_back THEN
    v_after.became_owed := v_payment.became_owed + take_back_credits(v_payment, v_after.entry_moment, p_taken_back);
    -- As if they had been away in one go: what an earlier time away had added to their validity stays.
    v_after.taken_at := CASE WHEN p_taken_back > 0 THEN coalesce(v_payment.taken_at, v_now - coalesce((
      SELECT max(l.expires_at) - to_timestamp(v_after.entry_moment / 1000000.0) - v_payment.valid_days * interval '1 day'
        FROM payment_entries n
        JOIN lots l ON l.account_id = n.account_id AND l.moment = n.moment AND l.key_number = n.key_number
       WHERE n.account_id = p_account AND n.payment_moment = p_moment AND l.is_paid), interval '0')) END;
  END IF;
  IF p_is_told THEN
    INSERT INTO payment_reversals AS r (account_id, payment_moment, kind, reference, amount, state)
    SELECT p_account, p_moment, u.kind, u.reference, u.amount, u.state
      FROM unnest(p_kinds, p_references, p_amounts, p_states) AS u (kind, reference, amount, state)
    ON CONFLICT (account_id, payment_moment, kind, reference)
    DO UPDATE SET amount = excluded.amount, state = excluded.state, changed_at = now()
     WHERE (r.amount, r.state) <> (excluded.amount, excluded.state);
    v_is_changed := FOUND;
    UPDATE payment_reversals r SET state = 'GONE', changed_at = now()
     WHERE r.account_id = p_account AND r.payment_moment = p_moment AND r.state <> 'GONE'
       AND (r.kind, r.reference) NOT IN (SELECT * FROM unnest(p_kinds, p_references));
    v_is_changed := v_is_changed OR FOUND;
  END IF;
  v_is_changed := v_is_changed OR v_after IS DISTINCT FROM v_payment;
  IF v_is_changed THEN
    UPDATE payments
       SET status = v_after.status, charge_reference = v_after.charge_reference,
           customer_reference = v_after.customer_reference, receipt_url = v_after.receipt_url, paid_at = v_after.paid_at,
           entry_moment = v_after.entry_moment, money_back = v_after.money_back, taken_back = v_after.taken_back,
           taken_at = v_after.taken_at, became_owed = v_after.became_owed, revision = revision + 1
     WHERE account_id = p_account AND moment = p_moment AND key_number = 0;
    PERFORM suspend_while_disputed(p_account, p_suspends);
    PERFORM collect_from_keys(p_account) WHERE v_after.became_owed > v_payment.became_owed;
  END IF;
  IF p_event IS NOT NULL THEN
    INSERT INTO payment_events (account_id, provider, key, kind, payment_moment)
    VALUES (p_account, v_payment.provider, p_event, p_event_kind, p_moment)
    ON CONFLICT DO NOTHING;
  END IF;
  RETURN CASE WHEN v_is_changed THEN 0 ELSE 1 END;
END $$
