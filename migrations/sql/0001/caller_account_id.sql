-- Whose session is in force. The context is a session, not an account: naming somebody else's
-- account is impossible without holding one of its sessions.
CREATE FUNCTION caller_account_id() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT a.id
    FROM sessions s
    JOIN accounts a ON a.id = s.account_id
   WHERE s.id = nullif(current_setting('tallystick.session_id', true), '')::uuid
     AND s.ended_at IS NULL AND s.expires_at > now() AND a.status = 'ACTIVE'
$$
