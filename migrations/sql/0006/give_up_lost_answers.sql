-- Lets the holds run out now of answers that nobody will finish: their runner's lease has run out, or
-- they have waited for longer than a lease without a question to be asked. The sweep then ends them,
-- unless their runner comes back and is faster: a hold ends once. Rows that somebody works on are left
-- for the next time. Clears away what has no use any more; returns how many answers were given up.
CREATE FUNCTION give_up_lost_answers(p_seconds integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_now CONSTANT timestamptz := clock_timestamp();
  v_mark CONSTANT bigint := (SELECT s.moment FROM sweep_mark s);
  v_old CONSTANT bigint := (extract(epoch FROM v_now - p_seconds * interval '1 second') * 1000000)::bigint;
  v_given_up integer;
BEGIN
  WITH lost AS (
    SELECT h.account_id, h.moment, h.key_number
      FROM holds h
     WHERE h.moment > v_mark AND h.ended_moment IS NULL AND h.model_id IS NOT NULL AND h.expires_at > v_now
       AND (h.runner IN (SELECT r.id FROM runners r WHERE r.lease_until < v_now)
            OR h.runner IS NULL AND h.moment < v_old AND NOT EXISTS (
              SELECT FROM waiting_questions q
               WHERE q.account_id = h.account_id AND q.moment = h.moment AND q.key_number = h.key_number))
       FOR NO KEY UPDATE OF h SKIP LOCKED)
  UPDATE holds h SET expires_at = v_now
    FROM lost l
   WHERE h.account_id = l.account_id AND h.moment = l.moment AND h.key_number = l.key_number;
  GET DIAGNOSTICS v_given_up = ROW_COUNT;

  DELETE FROM waiting_questions q USING holds h
   WHERE h.account_id = q.account_id AND h.moment = q.moment AND h.key_number = q.key_number
     AND (h.ended_moment IS NOT NULL OR h.runner IS NOT NULL);
  DELETE FROM cancel_requests c USING holds h
   WHERE h.account_id = c.account_id AND h.moment = c.moment AND h.key_number = c.key_number
     AND (h.ended_moment IS NOT NULL OR h.runner IS DISTINCT FROM c.runner);
  DELETE FROM runners WHERE lease_until < v_now - interval '1 day';
  RETURN v_given_up;
END $$
