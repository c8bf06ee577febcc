-- Gives back to the budgets of a batch's keys what its ended holds held, and counts what was charged for
-- them in the period in which it was. Null or no key (0) gives nothing back. The caller holds the locks
-- on the balances.
CREATE FUNCTION return_budgets(p_account bigint[], p_number integer[], p_held bigint[], p_charged bigint[], p_moment bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  WITH ended AS (
    SELECT unnest(p_account) AS account, unnest(p_number) AS number, unnest(p_held) AS held, unnest(p_charged) AS charged,
           unnest(p_moment) AS moment),
  sums AS (
    SELECT account, number, sum(held) AS held, sum(charged) AS charged, max(moment) AS last
      FROM ended WHERE number > 0 GROUP BY account, number)
  UPDATE key_budgets b
     SET held = b.held - s.held,
         charged = CASE WHEN s.last < b.period_end THEN b.charged + s.charged
                        ELSE (SELECT coalesce(sum(e.charged), 0) FROM ended e
                               WHERE e.account = b.account_id AND e.number = b.key_number
                                 AND e.moment >= budget_period_start(b.period, s.last)) END,
         period_start = CASE WHEN s.last < b.period_end THEN b.period_start ELSE budget_period_start(b.period, s.last) END,
         period_end = CASE WHEN s.last < b.period_end THEN b.period_end ELSE budget_period_end(b.period, s.last) END
    FROM sums s
   WHERE b.account_id = ANY (ARRAY[s.account]) AND b.key_number = s.number;
END $$
