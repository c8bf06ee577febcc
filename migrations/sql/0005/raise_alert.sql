-- Keeps an alert, or counts it once more while nobody has seen it.
CREATE FUNCTION raise_alert(p_kind text, p_severity text, p_subject text, p_message text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  INSERT INTO alerts AS a (kind, severity, subject, message) VALUES (p_kind, p_severity, p_subject, p_message)
  ON CONFLICT (kind, subject) WHERE acknowledged_at IS NULL
  DO UPDATE SET count = a.count + 1, last_seen_at = now(), message = excluded.message, severity = excluded.severity
$$
