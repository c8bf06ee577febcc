-- Adds credits as one entry and one lot, after fixing what earlier spending burned; what is owed is
-- repaid at once. Returns the entry's moment. Locks the balance.
CREATE FUNCTION post_credit(
  p_account bigint, p_key integer, p_kind text, p_amount bigint, p_is_paid boolean, p_expires_at timestamptz,
  p_reason text DEFAULT NULL, p_actor bigint DEFAULT NULL, p_reverses bigint DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_moment bigint;
BEGIN
  PERFORM settle_purse(p_account, p_key);
  v_moment := post_entry(p_account, p_key, p_kind, p_amount, p_reason, p_actor, p_reverses);
  INSERT INTO lots (account_id, moment, key_number, entry_moment, amount, remaining, is_paid, expires_at)
  VALUES (p_account, v_moment, p_key, v_moment, p_amount, p_amount, p_is_paid, p_expires_at);
  PERFORM settle_purse(p_account, p_key);
  RETURN v_moment;
END $$
