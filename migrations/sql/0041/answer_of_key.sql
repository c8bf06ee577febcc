-- Which answer an account's key led to, and the digest of what was asked with it.
CREATE FUNCTION answer_of_key(p_account bigint, p_key uuid) RETURNS TABLE (key_number integer, moment bigint, digest uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT h.key_number, h.moment, h.digest FROM holds h
   WHERE h.key = p_key AND h.account_id = p_account AND h.model_id IS NOT NULL
$$
