-- Tells that there is a new alert; that one is seen again before anybody has seen it is no news.
CREATE FUNCTION tell_of_alert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  PERFORM tell_event('alert.raised', NULL, jsonb_build_object(
    'alert', NEW.id, 'kind', NEW.kind, 'severity', NEW.severity, 'message', NEW.message));
  RETURN NULL;
END $$
