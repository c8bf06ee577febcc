-- The payment a provider's charge is for.
CREATE FUNCTION find_charge(p_provider text, p_charge text) RETURNS TABLE (account_id bigint, moment bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT p.account_id, p.moment FROM payments p WHERE p.provider = p_provider AND p.charge_reference = p_charge
$$
