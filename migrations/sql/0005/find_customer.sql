-- The customer of a provider that an account's last payment there made.
CREATE FUNCTION find_customer(p_account bigint, p_provider text, p_mode text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT p.customer_reference FROM payments p
   WHERE p.account_id = p_account AND p.provider = p_provider AND p.mode = p_mode AND p.customer_reference IS NOT NULL
   ORDER BY p.moment DESC LIMIT 1
$$
