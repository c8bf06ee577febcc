-- Adds bought credits as one entry and, beside the paid ones, a free lot of its own for the bonus; what
-- is owed is repaid at once. Returns the entry's moment. Locks the balance.
CREATE FUNCTION post_purchase(
  p_account bigint, p_paid bigint, p_bonus bigint, p_expires_at timestamptz, p_bonus_expires_at timestamptz, p_reason text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_moment bigint;
BEGIN
  PERFORM settle_purse(p_account, 0);
  v_moment := post_entry(p_account, 0, 'PURCHASE', p_paid + p_bonus, p_reason);
  INSERT INTO lots (account_id, moment, key_number, entry_moment, amount, remaining, is_paid, expires_at)
  VALUES (p_account, v_moment, 0, v_moment, p_paid, p_paid, true, p_expires_at);
  IF p_bonus > 0 THEN
    INSERT INTO lots (account_id, moment, key_number, entry_moment, amount, remaining, is_paid, expires_at)
    VALUES (p_account, v_moment + 1, 0, v_moment, p_bonus, p_bonus, false, p_bonus_expires_at);
    UPDATE balances b SET moment = greatest(b.moment, v_moment + 1) WHERE b.account_id = p_account AND b.key_number = 0;
  END IF;
  PERFORM settle_purse(p_account, 0);
  RETURN v_moment;
END $$
