-- Counts what a batch takes of the budgets of its keys, if every budget covers all of it: test and change
-- are one statement, under the locks on the balances, so that no two calls share the last credit. False
-- when one does not; the caller then undoes everything and takes one hold after the other. Keys without
-- a budget, and no key (0), take nothing. A period that is over begins anew.
CREATE FUNCTION take_budgets(p_account bigint[], p_number integer[], p_amount bigint[], p_moment bigint[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_is_covered boolean;
BEGIN
  WITH wanted AS (
    SELECT b.account_id, b.key_number, sum(x.amount) AS amount, min(x.moment) AS moment
      FROM (SELECT unnest(p_account) AS account, unnest(p_number) AS number, unnest(p_amount) AS amount, unnest(p_moment) AS moment) x
      JOIN key_budgets b ON b.account_id = ANY (ARRAY[x.account]) AND b.key_number = x.number
     WHERE x.number > 0
     GROUP BY b.account_id, b.key_number),
  taken AS (
    UPDATE key_budgets b
       SET held = b.held + w.amount,
           charged = CASE WHEN w.moment < b.period_end THEN b.charged ELSE 0 END,
           period_start = CASE WHEN w.moment < b.period_end THEN b.period_start ELSE budget_period_start(b.period, w.moment) END,
           period_end = CASE WHEN w.moment < b.period_end THEN b.period_end ELSE budget_period_end(b.period, w.moment) END
      FROM wanted w
     WHERE b.account_id = ANY (ARRAY[w.account_id]) AND b.key_number = w.key_number
       AND w.amount <= b.amount_max::numeric - b.held - CASE WHEN w.moment < b.period_end THEN b.charged ELSE 0 END
    RETURNING 1)
  SELECT (SELECT count(*) FROM taken) = (SELECT count(*) FROM wanted) INTO v_is_covered;
  RETURN v_is_covered;
END $$
