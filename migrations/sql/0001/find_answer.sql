-- An answer as its runner left it, for a repeated question of the same account.
CREATE FUNCTION find_answer(p_account bigint, p_key_number integer, p_moment bigint)
RETURNS SETOF answers
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT * FROM answers a WHERE a.account_id = p_account AND a.key_number = p_key_number AND a.moment = p_moment
$$
