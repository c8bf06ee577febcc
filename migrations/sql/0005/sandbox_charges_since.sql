-- What the sandbox knows of charges that changed since a time.
CREATE FUNCTION sandbox_charges_since(p_since timestamptz) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT facts FROM sandbox_charges WHERE changed_at >= p_since
$$
