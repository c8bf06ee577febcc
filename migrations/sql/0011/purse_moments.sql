-- The moment of the last change of each purse, for those who watch them.
CREATE FUNCTION purse_moments(p_account bigint[], p_key_number integer[])
RETURNS TABLE (account_id bigint, key_number integer, moment bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT b.account_id, b.key_number, b.moment
    FROM unnest(p_account, p_key_number) AS x (account, key)
    JOIN balances b ON b.account_id = x.account AND b.key_number = x.key
$$
