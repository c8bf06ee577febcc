-- Trades the refresh token in force for the next one. The one before is traded for the same next one
-- within the grace, so that two tabs end up with one token; any other token of the family was used
-- already, by its owner or by a thief, and ends the session. Throw-away accounts are not prolonged.
CREATE FUNCTION refresh_session(
  p_family_hash bytea, p_token_hash bytea, p_next_hash bytea, p_grace interval, p_lasts interval,
  OUT outcome text, OUT session_id uuid, OUT account_id bigint, OUT expires_at timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_token bytea;
  v_before bytea;
  v_refreshed_at timestamptz;
  v_ended_at timestamptz;
  v_is_demo boolean;
  v_status text;
BEGIN
  SELECT s.id, s.account_id, s.expires_at, s.refresh_token_hash, s.refresh_token_hash_before, s.refreshed_at, s.ended_at,
         a.is_demo, a.status
    INTO session_id, account_id, expires_at, v_token, v_before, v_refreshed_at, v_ended_at, v_is_demo, v_status
    FROM sessions s JOIN accounts a ON a.id = s.account_id
   WHERE s.family_hash = p_family_hash
     FOR UPDATE OF s;
  IF NOT FOUND OR v_ended_at IS NOT NULL OR expires_at <= clock_timestamp() THEN
    outcome := 'INVALID';
  ELSIF v_token = p_token_hash THEN
    IF v_status = 'ACTIVE' THEN
      UPDATE sessions s
         SET refresh_token_hash_before = v_token, refresh_token_hash = p_next_hash, refreshed_at = clock_timestamp(),
             expires_at = CASE WHEN v_is_demo THEN s.expires_at ELSE now() + p_lasts END
       WHERE s.id = session_id
      RETURNING s.expires_at INTO expires_at;
      outcome := 'REFRESHED';
    ELSE
      outcome := 'SUSPENDED';
    END IF;
  ELSIF v_before = p_token_hash AND v_token = p_next_hash AND v_refreshed_at > clock_timestamp() - p_grace THEN
    outcome := CASE v_status WHEN 'ACTIVE' THEN 'REFRESHED' ELSE 'SUSPENDED' END;
  ELSE
    UPDATE sessions s SET ended_at = now() WHERE s.id = session_id;
    INSERT INTO audit_entries (actor_id, action, target_id, summary)
    VALUES (NULL, 'refreshSession', account_id::text, 'a refresh token was used again: the session was ended');
    outcome := 'REUSED';
  END IF;
END $$
