-- Tells that a payment came to an end, or that all of its money went back.
CREATE FUNCTION tell_of_payment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  PERFORM tell_event('payment.' || lower(NEW.status), NEW.account_id, jsonb_build_object(
    'account', NEW.account_id, 'moment', NEW.moment, 'status', NEW.status, 'provider', NEW.provider, 'mode', NEW.mode,
    'pack', NEW.pack_id, 'currency', NEW.currency, 'price', NEW.price, 'credits', NEW.credits + NEW.bonus,
    'taken_back', NEW.taken_back));
  RETURN NULL;
END $$
