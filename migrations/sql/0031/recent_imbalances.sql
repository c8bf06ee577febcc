-- Purses that were posted to lately and whose balance is not what their newest entry says, or whose
-- entries do not follow from each other. It costs as much as there was to do lately, so it can be
-- looked at often; `tallystick verify` looks at everything.
CREATE FUNCTION recent_imbalances(p_within interval) RETURNS TABLE (account_id bigint, key_number integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_since bigint := (extract(epoch FROM clock_timestamp() - p_within) * 1000000)::bigint;
BEGIN
  RETURN QUERY
  SELECT e.account_id, e.key_number
    FROM (SELECT n.account_id, n.key_number, n.seq, n.total_after, n.amount,
                 lag(n.seq) OVER purse AS last_seq, lag(n.total_after) OVER purse AS last_total,
                 lead(n.seq) OVER purse IS NULL AS is_newest
            FROM entries n
           WHERE n.moment > v_since
          WINDOW purse AS (PARTITION BY n.account_id, n.key_number ORDER BY n.moment)) e
    LEFT JOIN balances b ON e.is_newest AND b.account_id = e.account_id AND b.key_number = e.key_number
   WHERE e.seq <> e.last_seq + 1 OR e.total_after <> e.last_total + e.amount
      OR (e.is_newest AND (b.total, b.entries) IS DISTINCT FROM (e.total_after::bigint, e.seq))
   GROUP BY e.account_id, e.key_number
   ORDER BY e.account_id, e.key_number;
END $$
