-- Collects what accounts owe from what has come free at their keys since, a few accounts at a time;
-- returns how many.
CREATE FUNCTION collect_owed(p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_account bigint;
  v_collected integer := 0;
BEGIN
  FOR v_account IN
    SELECT DISTINCT a.account_id FROM balances a
      JOIN api_keys k ON k.account_id = a.account_id AND k.funding = 'OWN'
      JOIN balances b ON b.account_id = a.account_id AND b.key_number = k.key_number AND b.total > b.held
     WHERE a.key_number = 0 AND a.owed > 0
     ORDER BY a.account_id
     LIMIT p_limit
  LOOP
    PERFORM collect_from_keys(v_account);
    v_collected := v_collected + 1;
  END LOOP;
  RETURN v_collected;
END $$
