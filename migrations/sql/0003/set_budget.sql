-- Gives a key a budget, or another one, and counts what it was charged in the period so far and what it
-- holds; takes it away when p_amount_max is null. The caller holds the lock on the account's balance.
CREATE FUNCTION set_budget(p_account bigint, p_number integer, p_amount_max bigint, p_period text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_moment bigint;
  v_start bigint;
BEGIN
  DELETE FROM key_budgets b WHERE b.account_id = p_account AND b.key_number = p_number;
  IF p_amount_max IS NULL THEN
    RETURN;
  END IF;
  SELECT greatest(b.moment + 1, (date_part('epoch', clock_timestamp()) * 1000000)::bigint) INTO STRICT v_moment
    FROM balances b WHERE b.account_id = p_account AND b.key_number = 0;
  v_start := budget_period_start(p_period, v_moment);
  INSERT INTO key_budgets (account_id, key_number, period, amount_max, charged, held, period_start, period_end)
  VALUES (
    p_account, p_number, p_period, p_amount_max,
    (SELECT coalesce(sum(h.charged), 0) FROM usage_hours h
      WHERE h.account_id = p_account AND h.api_key_number = p_number AND h.hour >= to_timestamp(v_start / 1000000)),
    (SELECT coalesce(sum(h.amount), 0) FROM holds h
      WHERE h.account_id = p_account AND h.api_key_number = p_number AND h.api_key_number > 0 AND h.ended_moment IS NULL
        AND h.moment > (SELECT m.moment FROM sweep_mark m)),
    v_start, budget_period_end(p_period, v_moment));
END $$
