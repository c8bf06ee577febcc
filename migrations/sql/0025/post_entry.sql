-- Writes one line of the ledger and the total it leads to; returns the line's moment. The lots are
-- the caller's business. Raises check_violation when the balance does not cover it.
CREATE FUNCTION post_entry(
  p_account bigint, p_key integer, p_kind text, p_amount bigint,
  p_reason text DEFAULT NULL, p_actor bigint DEFAULT NULL, p_reverses bigint DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_moment bigint;
  v_seq bigint;
  v_total bigint;
BEGIN
  UPDATE balances
     SET total = total + p_amount, entries = entries + 1,
         moment = greatest(moment + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
   WHERE account_id = p_account AND key_number = p_key
  RETURNING moment, entries, total INTO STRICT v_moment, v_seq, v_total;
  INSERT INTO entries (account_id, moment, key_number, seq, kind, amount, total_after, reverses_moment, actor_id, reason)
  VALUES (p_account, v_moment, p_key, v_seq, p_kind, p_amount, v_total, p_reverses, p_actor, p_reason);
  -- Credits that were moved away from an API key were not spent: whoever moved them knows.
  IF p_amount < 0 AND (p_kind <> 'TRANSFER' OR p_key = 0) THEN
    PERFORM tell_of_low(p_account, p_key, v_total, -p_amount);
  END IF;
  RETURN v_moment;
END $$
