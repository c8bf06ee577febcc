-- Begins a look that is nobody else's until the end of this transaction, and tells the time; null when
-- somebody takes it now, or took it less than so long ago.
CREATE FUNCTION begin_look(p_kind text, p_every interval) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_now timestamptz;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('tallystick.look ' || p_kind)) THEN
    RETURN NULL;
  END IF;
  v_now := clock_timestamp();
  INSERT INTO looks AS l (kind, looked_at) VALUES (p_kind, v_now)
  ON CONFLICT (kind) DO UPDATE SET looked_at = excluded.looked_at WHERE l.looked_at <= v_now - p_every;
  RETURN CASE WHEN FOUND THEN v_now END;
END $$
