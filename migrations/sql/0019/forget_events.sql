-- Removes events that were told before p_before and have nowhere to go any more: those delivered, dismissed
-- or wanted by nobody. What waits and what is dead stays. Returns how many there were. Jobs that long ago are
-- of nobody's turn, and the log of jobs says nothing any more.
CREATE FUNCTION forget_events(p_before timestamptz, p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_over bigint[];
BEGIN
  SELECT array_agg(x.id) INTO v_over FROM (
    SELECT e.id FROM told_events e
     WHERE e.told_at < p_before AND e.spread_at IS NOT NULL AND NOT EXISTS (
       SELECT FROM event_deliveries d
        WHERE d.event_id = e.id AND (d.state IN ('WAITING', 'DEAD') OR d.changed_at >= p_before))
     ORDER BY e.told_at
     LIMIT p_limit
       FOR UPDATE SKIP LOCKED) x;
  DELETE FROM delivery_tries WHERE event_id = ANY (v_over);
  DELETE FROM event_deliveries WHERE event_id = ANY (v_over);
  DELETE FROM told_events WHERE id = ANY (v_over);
  DELETE FROM tallystick_jobs.pgqueuer WHERE execute_after < p_before;
  DELETE FROM tallystick_jobs.pgqueuer_log WHERE created < p_before;
  DELETE FROM tallystick_jobs.pgqueuer_statistics WHERE created < p_before;
  RETURN coalesce(cardinality(v_over), 0);
END $$
