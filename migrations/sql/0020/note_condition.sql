-- Keeps since when a condition that lasts has been low; null when it is not.
CREATE FUNCTION note_condition(p_kind text, p_subject text, p_low_since timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  UPDATE alert_conditions c SET low_since = p_low_since WHERE c.kind = p_kind AND c.subject = p_subject
$$
