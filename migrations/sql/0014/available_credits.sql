-- What accounts can spend of their own credits now: nothing while they are suspended. No row for an
-- account that does not exist.
CREATE FUNCTION available_credits(p_account bigint[])
RETURNS TABLE (account_id bigint, available bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT a.id,
         CASE WHEN a.status = 'ACTIVE' THEN greatest(coalesce(b.total - b.held - b.owed, 0), 0) ELSE 0 END
    FROM unnest(p_account) AS x (account)
    JOIN accounts a ON a.id = x.account
    LEFT JOIN balances b ON b.account_id = a.id AND b.key_number = 0
$$
