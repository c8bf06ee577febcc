-- Writes what happened for the operator's systems, if any of them wants it: in the commit of its cause,
-- so that both are there or neither is.
CREATE FUNCTION tell_event(p_type text, p_account bigint, p_facts jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  INSERT INTO told_events (salt, type, account_id, facts)
  SELECT hashtextextended(gen_random_uuid()::text, 0) & 9223372036854775807, p_type, p_account, p_facts
    FROM event_wishes WHERE p_type = ANY (types);
END $$
