-- Keeps what the sandbox knows of a charge, if it still is what it was (null: not there yet); whether it was.
CREATE FUNCTION keep_sandbox_charge(p_reference text, p_before jsonb, p_after jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  IF p_before IS NULL THEN
    INSERT INTO sandbox_charges (reference, facts) VALUES (p_reference, p_after) ON CONFLICT DO NOTHING;
  ELSE
    UPDATE sandbox_charges SET facts = p_after, changed_at = now() WHERE reference = p_reference AND facts = p_before;
  END IF;
  RETURN FOUND;
END $$
