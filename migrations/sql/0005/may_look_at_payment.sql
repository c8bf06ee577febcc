-- Whether a payment is pending and its provider has not been asked for so long; then it is now.
CREATE FUNCTION may_look_at_payment(p_account bigint, p_moment bigint, p_pause interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  UPDATE payments SET looked_at = clock_timestamp()
   WHERE account_id = p_account AND moment = p_moment AND key_number = 0 AND status = 'PENDING'
     AND coalesce(looked_at < clock_timestamp() - p_pause, true);
  RETURN FOUND;
END $$
