-- The password hash of the account an address belongs to. No row: nobody has the address. A null hash:
-- its account has no password.
CREATE FUNCTION password_of_email(p_email text)
RETURNS TABLE (account_id bigint, hash text, status text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT a.id, p.hash, a.status
    FROM account_contacts c
    JOIN accounts a ON a.id = c.account_id
    LEFT JOIN passwords p ON p.account_id = c.account_id
   WHERE c.email = p_email
$$
