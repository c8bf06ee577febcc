-- Payments by name, for who settles them.
CREATE FUNCTION find_payments(p_accounts bigint[], p_moments bigint[]) RETURNS SETOF payments
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT p.* FROM unnest(p_accounts, p_moments) AS u (account_id, moment) JOIN payments p USING (account_id, moment)
$$
