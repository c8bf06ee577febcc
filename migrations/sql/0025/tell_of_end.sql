-- Hands on what end_hold() answered, after telling what followed from it.
CREATE FUNCTION tell_of_end(p_result bigint[], p_account bigint, p_key integer, p_hold bigint, p_cost bigint) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  IF p_result IS NOT NULL THEN
    PERFORM tell_of_answers(ARRAY[p_account], ARRAY[p_key], ARRAY[p_hold]);
    IF p_cost > 0 THEN
      PERFORM tell_of_low(p_account, p_key, p_result[2], p_cost);
    END IF;
  END IF;
  RETURN p_result;
END $$
