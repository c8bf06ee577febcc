-- Removes alerts that somebody acknowledged so long ago, whose conditions are over. The one told last
-- stays, whatever became of it: the next revision is counted on from it. Returns how many there were.
CREATE FUNCTION forget_alerts(p_kept_for interval, p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_removed integer;
BEGIN
  DELETE FROM alerts x USING (
    SELECT a.id FROM alerts a
     WHERE a.acknowledged_at < now() - p_kept_for
       AND a.revision < (SELECT max(b.revision) FROM alerts b)
       AND NOT EXISTS (SELECT FROM alert_conditions c WHERE c.alert_id = a.id)
     ORDER BY a.id
     LIMIT p_limit
       FOR UPDATE SKIP LOCKED) old
   WHERE x.id = old.id;
  GET DIAGNOSTICS v_removed = ROW_COUNT;
  RETURN v_removed;
END $$
