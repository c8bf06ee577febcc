-- Tells that the total of a purse fell below what the operator calls low: p_total is left of it after
-- p_spent. It says so once, for whatever falls further was below before; and again only when it has risen to
-- it meanwhile. The caller holds the lock on the balance.
CREATE FUNCTION tell_of_low(p_account bigint, p_key integer, p_total bigint, p_spent bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  PERFORM tell_event('balance.low', p_account, jsonb_build_object(
            'account', p_account, 'key', p_key, 'total', p_total, 'held', b.held, 'threshold', w.low_balance))
     FROM event_wishes w
     JOIN balances b ON b.account_id = p_account AND b.key_number = p_key
    WHERE p_total < w.low_balance AND p_total + p_spent >= w.low_balance;
END $$
