-- Books what is already true of a purse of the caller's own account, before it is shown.
CREATE FUNCTION settle_own_purse(p_key_number integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  PERFORM settle_purse(b.account_id, b.key_number) FROM balances b
   WHERE b.account_id = caller_account_id() AND b.key_number = p_key_number;
END $$
