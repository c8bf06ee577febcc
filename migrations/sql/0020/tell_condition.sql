-- Raises the alert of a condition, or counts it while nobody has seen it; the condition lasts from now on.
CREATE FUNCTION tell_condition(p_kind text, p_severity text, p_subject text, p_message text, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  PERFORM raise_alert(p_kind, p_severity, p_subject, p_message);
  INSERT INTO alert_conditions AS c (kind, subject, alert_id, told_at)
  SELECT p_kind, p_subject, a.id, p_now FROM alerts a
   WHERE a.kind = p_kind AND a.subject = p_subject AND a.acknowledged_at IS NULL
  ON CONFLICT (kind, subject) DO UPDATE SET alert_id = excluded.alert_id, told_at = excluded.told_at, low_since = NULL;
END $$
