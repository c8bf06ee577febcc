-- Whether the session in force belongs to an active administrator, read afresh from the account. An API
-- key is never an administrator's, whoever owns it.
CREATE OR REPLACE FUNCTION caller_is_admin() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT coalesce(
    (SELECT a.role = 'ADMIN' FROM accounts a WHERE a.id = (SELECT caller_account_id())), false)
    AND (SELECT caller_key_number()) IS NULL
$$
