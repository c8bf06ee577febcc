-- Raises foreign_key_violation unless every model of a list exists.
CREATE FUNCTION require_models(p_models text[]) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM unnest(p_models) AS wanted (id) WHERE NOT EXISTS (SELECT FROM models m WHERE m.id = wanted.id)) THEN
    RAISE EXCEPTION 'a model of the list does not exist' USING ERRCODE = 'foreign_key_violation';
  END IF;
END $$
