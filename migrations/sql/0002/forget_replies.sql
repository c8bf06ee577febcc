-- Removes replies to calls made before a time, a bounded number at once; returns how many.
CREATE FUNCTION forget_replies(p_before timestamptz, p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_forgotten integer;
BEGIN
  DELETE FROM answer_replies
   WHERE ctid = ANY (ARRAY (
     SELECT ctid FROM answer_replies
      WHERE moment < (extract(epoch FROM p_before) * 1000000)::bigint
      LIMIT p_limit
        FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS v_forgotten = ROW_COUNT;
  RETURN v_forgotten;
END $$
