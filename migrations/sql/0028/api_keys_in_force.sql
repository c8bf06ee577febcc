-- The given keys as far as they may be used now, with the hash their secret must have and what they may
-- do and for how long. Suspended accounts are told, so that they can be refused by name.
CREATE FUNCTION api_keys_in_force(p_accounts bigint[], p_numbers integer[])
RETURNS TABLE (
  account_id bigint, key_number integer, secret_hash bytea, context_id uuid, role text, status text,
  scopes text[], funding text, allowed_models text[], requests_per_minute integer, expires_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT k.account_id, k.key_number, k.secret_hash, k.context_id, a.role, a.status, k.scopes, k.funding, k.allowed_models,
         k.requests_per_minute, k.expires_at
    FROM unnest(p_accounts, p_numbers) AS u (account_id, key_number)
    JOIN api_keys k ON k.account_id = u.account_id AND k.key_number = u.key_number
    JOIN accounts a ON a.id = k.account_id
   WHERE k.is_enabled AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
$$
