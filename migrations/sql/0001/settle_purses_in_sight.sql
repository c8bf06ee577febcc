-- Books what is already true of purses before they are shown: those of the given ones that the caller
-- may see. Locks their balances, in the order in which apply() does.
CREATE FUNCTION settle_purses_in_sight(p_accounts bigint[], p_keys integer[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_caller bigint := caller_account_id();
  v_is_admin boolean := caller_is_admin();
  v_purse record;
BEGIN
  FOR v_purse IN
    SELECT b.account_id, b.key_number
      FROM unnest(p_accounts, p_keys) AS u (account_id, key_number)
      JOIN balances b USING (account_id, key_number)
     WHERE v_is_admin OR b.account_id = v_caller
     ORDER BY b.account_id, b.key_number
  LOOP
    PERFORM settle_purse(v_purse.account_id, v_purse.key_number);
  END LOOP;
END $$
