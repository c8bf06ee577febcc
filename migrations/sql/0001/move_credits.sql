-- One change of one purse under an idempotency key: a credit when the amount is positive, else a
-- debit. Outcomes: 0 done, 1 replayed, 2 conflict, 3 insufficient (with what is available), 5 no such
-- purse. The totals are those after the operation (of now, for a replay).
CREATE FUNCTION move_credits(
  p_account bigint, p_key_number integer, p_kind text, p_amount bigint, p_is_paid boolean,
  p_expires_at timestamptz, p_may_owe boolean, p_reason text, p_actor bigint, p_reverses bigint,
  p_operation text, p_key uuid, p_digest uuid,
  OUT outcome smallint, OUT moment bigint, OUT total bigint, OUT held bigint, OUT owed bigint, OUT changed bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  PERFORM FROM balances b WHERE b.account_id = p_account AND b.key_number = p_key_number FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    outcome := 5;
    RETURN;
  END IF;
  SELECT k.outcome, k.moment INTO outcome, moment FROM known_key(p_account, p_operation, p_key, p_digest) k;
  IF outcome IS NULL THEN
    IF p_amount > 0 THEN
      moment := post_credit(p_account, p_key_number, p_kind, p_amount, p_is_paid, p_expires_at, p_reason, p_actor, p_reverses);
    ELSE
      moment := post_debit(p_account, p_key_number, p_kind, -p_amount, p_may_owe, p_reason, p_actor, p_reverses);
    END IF;
    outcome := CASE WHEN moment IS NULL THEN 3 ELSE 0 END;
  END IF;
  IF outcome = 0 THEN
    INSERT INTO idempotency_keys (account_id, operation, key, digest, moment, key_number)
    VALUES (p_account, p_operation, p_key, p_digest, moment, p_key_number);
  END IF;
  SELECT b.total, b.held, b.owed, b.moment INTO total, held, owed, changed FROM balances b
   WHERE b.account_id = p_account AND b.key_number = p_key_number;
END $$
