-- What the sandbox knows of a charge; null when it is none of its own.
CREATE FUNCTION sandbox_charge(p_reference text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT facts FROM sandbox_charges WHERE reference = p_reference
$$
