-- Open holds whose time is over. Moves the sweep mark up to the oldest hold still open, but never
-- into the last two minutes, where a batch may yet commit holds it named earlier. A mark that is not as
-- old as that was set by a clock that has been set back since: then holds of the last hour are looked
-- through anew.
CREATE FUNCTION due_holds(p_limit integer) RETURNS TABLE (account_id bigint, key_number integer, moment bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_mark bigint := (SELECT s.moment FROM sweep_mark s);
  v_new bigint := (extract(epoch FROM clock_timestamp() - interval '2 minutes') * 1000000)::bigint;
BEGIN
  IF v_mark > v_new + 60000000 THEN
    v_mark := v_new - 3600000000;
    UPDATE sweep_mark s SET moment = v_mark;
  END IF;
  v_new := least(v_new, (SELECT min(h.moment) FROM holds h WHERE h.moment > v_mark AND h.ended_moment IS NULL) - 1);
  IF v_new > v_mark THEN
    UPDATE sweep_mark s SET moment = greatest(s.moment, v_new);
  END IF;
  RETURN QUERY
  SELECT h.account_id, h.key_number, h.moment FROM holds h
   WHERE h.moment > v_mark AND h.ended_moment IS NULL AND h.expires_at <= clock_timestamp()
   LIMIT p_limit;
END $$
