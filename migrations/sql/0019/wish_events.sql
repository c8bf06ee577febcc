-- Keeps which events are wanted, and below which total a purse is low; true when that is news.
CREATE FUNCTION wish_events(p_types text[], p_low_balance bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  UPDATE event_wishes SET types = p_types, low_balance = p_low_balance
   WHERE (types, low_balance::bigint) IS DISTINCT FROM (p_types, p_low_balance);
  RETURN FOUND;
END $$
