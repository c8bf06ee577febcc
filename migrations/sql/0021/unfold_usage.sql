-- Forgets what was folded from the day of a moment on, so that it is folded anew from the records. The
-- operator calls it for cells that `tallystick verify` finds wrong; fold_usage() for clocks put back.
CREATE FUNCTION unfold_usage(p_from bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_day CONSTANT bigint := p_from - p_from % 86400000000;
BEGIN
  PERFORM pg_advisory_xact_lock(20, 2);
  DELETE FROM usage_folds WHERE moment >= v_day;
  UPDATE fold_mark SET moment = least(moment, v_day);
END $$
