-- Collects what an account owes from the credits it has moved to keys of its own: as much as is
-- available there, key by key; what is held can follow when it comes free. Locks balances in the order
-- in which apply() does.
CREATE FUNCTION collect_from_keys(p_account bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_number integer;
  v_owed bigint;
  v_free bigint;
BEGIN
  PERFORM settle_purse(p_account, 0);
  FOR v_number IN
    SELECT k.key_number FROM api_keys k WHERE k.account_id = p_account AND k.funding = 'OWN' ORDER BY k.key_number
  LOOP
    SELECT b.owed INTO STRICT v_owed FROM balances b WHERE b.account_id = p_account AND b.key_number = 0;
    EXIT WHEN v_owed = 0;
    PERFORM settle_purse(p_account, v_number);
    SELECT b.total - b.held INTO STRICT v_free FROM balances b
     WHERE b.account_id = p_account AND b.key_number = v_number;
    -- The account's purse repays what it owes as soon as anything comes into it.
    PERFORM transfer_credits(p_account, v_number, 0, least(v_owed, v_free), 'chargeback', gen_random_uuid(), gen_random_uuid())
      WHERE v_free > 0;
  END LOOP;
END $$
