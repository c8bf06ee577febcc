-- A condition is over; its alert stays until somebody has seen it, and then too.
CREATE FUNCTION end_condition(p_kind text, p_subject text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  DELETE FROM alert_conditions c WHERE c.kind = p_kind AND c.subject = p_subject
$$
