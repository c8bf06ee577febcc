-- Takes available credits: first from the lots of the entry it reverses, then in burn order. What is
-- not available is refused (null is returned), or becomes owed where the caller says so. Returns the
-- moment of the entry, or of the last change where nothing was there to take. Locks the balance.
CREATE FUNCTION post_debit(
  p_account bigint, p_key integer, p_kind text, p_amount bigint, p_may_owe boolean,
  p_reason text DEFAULT NULL, p_actor bigint DEFAULT NULL, p_reverses bigint DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_take bigint;
  v_left bigint;
  v_moment bigint;
  v_lot record;
BEGIN
  PERFORM settle_purse(p_account, p_key);
  SELECT least(p_amount, total - held), moment INTO STRICT v_take, v_moment FROM balances
   WHERE account_id = p_account AND key_number = p_key;
  IF v_take < p_amount AND NOT p_may_owe THEN
    RETURN NULL;
  END IF;
  IF v_take > 0 THEN
    v_moment := post_entry(p_account, p_key, p_kind, -v_take, p_reason, p_actor, p_reverses);
    v_left := v_take;
    FOR v_lot IN
      SELECT moment, remaining FROM lots
       WHERE account_id = p_account AND key_number = p_key AND entry_moment = p_reverses AND remaining > 0
       ORDER BY expires_at NULLS LAST, is_paid, moment
    LOOP
      EXIT WHEN v_left = 0;
      UPDATE lots SET remaining = remaining - least(v_left, v_lot.remaining)
       WHERE account_id = p_account AND key_number = p_key AND moment = v_lot.moment;
      v_left := v_left - least(v_left, v_lot.remaining);
    END LOOP;
    UPDATE balances SET unattributed = unattributed + v_left
     WHERE account_id = p_account AND key_number = p_key;
  END IF;
  UPDATE balances SET owed = owed + p_amount - v_take
   WHERE account_id = p_account AND key_number = p_key AND p_amount > v_take;
  PERFORM settle_purse(p_account, p_key);
  RETURN v_moment;
END $$
