-- An administrator gives back a charge, in full (amount null: all that is left of it) or in part; all
-- refunds of one charge together never exceed it. Outcomes as in move_credits, and 3 with the
-- remainder in `total` when the amount is more than is left, 4 when there is no such charge.
CREATE OR REPLACE FUNCTION refund_charge(
  p_account bigint, p_key_number integer, p_charge bigint, p_amount bigint, p_reason text,
  p_operation text, p_key uuid, p_digest uuid, p_summary text,
  OUT outcome smallint, OUT moment bigint, OUT total bigint, OUT held bigint, OUT owed bigint, OUT changed bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_actor bigint := require_admin();
  v_left bigint;
BEGIN
  -- The account's own as well: an idempotency key is used once in all its purses.
  PERFORM FROM balances b WHERE b.account_id = p_account AND b.key_number IN (0, p_key_number)
    ORDER BY b.key_number FOR NO KEY UPDATE;
  SELECT -e.amount INTO v_left FROM entries e
   WHERE e.account_id = p_account AND e.moment = p_charge AND e.key_number = p_key_number AND e.kind = 'CHARGE';
  IF v_left IS NULL THEN
    outcome := 4;
    RETURN;
  END IF;
  SELECT k.outcome, k.moment INTO outcome, moment FROM known_key(p_account, p_operation, p_key, p_digest) k;
  IF outcome IS NULL THEN
    SELECT v_left - coalesce(sum(e.amount), 0) INTO v_left FROM entries e
     WHERE e.account_id = p_account AND e.key_number = p_key_number AND e.reverses_moment = p_charge AND e.kind = 'REFUND';
    IF v_left = 0 OR p_amount > v_left THEN
      outcome := 3;
      total := v_left;
      RETURN;
    END IF;
  END IF;
  SELECT * INTO outcome, moment, total, held, owed, changed
    FROM move_credits(p_account, p_key_number, 'REFUND', coalesce(p_amount, v_left), false, NULL, false, p_reason,
                      v_actor, p_charge, p_operation, p_key, p_digest);
  IF outcome = 0 THEN
    -- What comes back to a key that was emptied has to leave it again.
    UPDATE api_keys k SET emptied_at = NULL
     WHERE k.account_id = p_account AND k.key_number = p_key_number AND k.emptied_at IS NOT NULL;
    INSERT INTO audit_entries (actor_id, action, target_id, summary)
    VALUES (v_actor, p_operation, p_account::text, p_summary);
  END IF;
END $$
