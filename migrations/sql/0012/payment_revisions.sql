-- The revision of each payment, for those who watch them.
CREATE FUNCTION payment_revisions(p_accounts bigint[], p_moments bigint[])
RETURNS TABLE (account_id bigint, moment bigint, revision bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT p.account_id, p.moment, p.revision
    FROM unnest(p_accounts, p_moments) AS u (account_id, moment)
    JOIN payments p USING (account_id, moment)
$$
