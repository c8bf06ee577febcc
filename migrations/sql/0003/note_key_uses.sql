-- Notes when keys were last used; a later use is never made an earlier one.
CREATE FUNCTION note_key_uses(p_accounts bigint[], p_numbers integer[], p_at timestamptz[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  WITH used AS (
    SELECT k.account_id, k.key_number, u.at
      FROM unnest(p_accounts, p_numbers, p_at) AS u (account_id, key_number, at)
      JOIN api_keys k ON k.account_id = u.account_id AND k.key_number = u.key_number
     ORDER BY k.account_id, k.key_number
       FOR NO KEY UPDATE OF k)
  UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, used.at)
    FROM used WHERE k.account_id = used.account_id AND k.key_number = used.key_number
$$
