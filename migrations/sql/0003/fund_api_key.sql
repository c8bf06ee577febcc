-- Moves credits from the caller's account to a key of it that has credits of its own. Outcomes as in
-- move_credits, 4 when the key spends the account's credits or is revoked, 5 when there is no such key.
-- Moment and totals are the account's.
CREATE FUNCTION fund_api_key(
  p_number integer, p_amount bigint, p_operation text, p_key uuid, p_digest uuid,
  OUT outcome smallint, OUT moment bigint, OUT total bigint, OUT held bigint, OUT owed bigint, OUT changed bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_account bigint := require_session();
  v_key api_keys;
BEGIN
  IF p_amount <= 0 THEN
    RAISE EXCEPTION 'credits are moved to a key, and back when it is revoked' USING ERRCODE = 'check_violation';
  END IF;
  PERFORM FROM balances b WHERE b.account_id = v_account AND b.key_number IN (0, p_number)
    ORDER BY b.key_number FOR NO KEY UPDATE;
  SELECT * INTO v_key FROM api_keys k WHERE k.account_id = v_account AND k.key_number = p_number FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    outcome := 5;
    RETURN;
  END IF;
  -- What was done before is told whatever has become of the key since.
  SELECT k.outcome INTO outcome FROM known_key(v_account, p_operation, p_key, p_digest) k;
  IF outcome IS NULL AND (v_key.funding <> 'OWN' OR v_key.revoked_at IS NOT NULL) THEN
    outcome := 4;
    RETURN;
  END IF;
  SELECT * INTO outcome, moment, total, held, owed, changed
    FROM transfer_credits(v_account, 0, p_number, p_amount, p_operation, p_key, p_digest);
END $$
