-- Keeps an alert, or counts it once more while nobody has seen it. One at a time, so that revisions are
-- committed in their order: whoever has seen one has seen all before it.
CREATE FUNCTION raise_alert(p_kind text, p_severity text, p_subject text, p_message text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('tallystick.alerts'));
  INSERT INTO alerts AS a (kind, severity, subject, message, revision)
  VALUES (p_kind, p_severity, p_subject, p_message, (SELECT coalesce(max(b.revision), 0) + 1 FROM alerts b))
  ON CONFLICT (kind, subject) WHERE acknowledged_at IS NULL
  DO UPDATE SET count = a.count + 1, last_seen_at = now(), message = excluded.message, severity = excluded.severity,
                revision = excluded.revision;
END $$
