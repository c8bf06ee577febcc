-- Whose session, or whose API key, is in force. The context is a name nobody can guess, not an account:
-- naming somebody else's account is impossible without holding one of its sessions or keys.
CREATE OR REPLACE FUNCTION caller_account_id() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT a.id
    FROM accounts a
   WHERE a.status = 'ACTIVE' AND a.id = coalesce(
     (SELECT s.account_id FROM sessions s
       WHERE s.id = nullif(current_setting('tallystick.session_id', true), '')::uuid
         AND s.ended_at IS NULL AND s.expires_at > now()),
     (SELECT k.account_id FROM api_keys k
       WHERE k.context_id = nullif(current_setting('tallystick.session_id', true), '')::uuid
         AND k.is_enabled AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())))
$$
