-- Suspends an account while a payment of it is disputed, and lets it in again when none is any more. An
-- account that is suspended for another reason, or an administrator's, is left alone.
CREATE FUNCTION suspend_while_disputed(p_account bigint, p_suspends boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  c_reason CONSTANT text := 'A payment of this account is disputed.';
  v_is_disputed boolean := EXISTS (
    SELECT FROM payment_reversals WHERE account_id = p_account AND kind = 'DISPUTE' AND state = 'OPEN');
BEGIN
  IF v_is_disputed AND p_suspends THEN
    UPDATE accounts SET status = 'SUSPENDED', suspension_reason = c_reason
     WHERE id = p_account AND status = 'ACTIVE' AND role = 'USER';
  ELSIF NOT v_is_disputed THEN
    UPDATE accounts SET status = 'ACTIVE', suspension_reason = NULL
     WHERE id = p_account AND status = 'SUSPENDED' AND suspension_reason = c_reason;
  ELSE
    RETURN;
  END IF;
  IF FOUND THEN
    INSERT INTO audit_entries (action, target_id, summary)
    VALUES (CASE WHEN v_is_disputed THEN 'suspendAccount' ELSE 'reinstateAccount' END, p_account::text,
            CASE WHEN v_is_disputed THEN c_reason ELSE 'No payment of this account is disputed any more.' END);
  END IF;
END $$
