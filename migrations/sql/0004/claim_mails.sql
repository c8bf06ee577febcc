-- Mails whose turn it is, for one process alone: the others see them again when the lease has ended,
-- which it does later each time.
CREATE FUNCTION claim_mails(p_limit integer, p_lease interval)
RETURNS TABLE (id bigint, email text, return_path text, tries smallint)
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  UPDATE promised_mails m
     SET tries = m.tries + 1, next_try_at = now() + p_lease * power(2, least(m.tries, 10))
   WHERE m.id IN (
     SELECT p.id FROM promised_mails p
      WHERE p.next_try_at <= now() ORDER BY p.next_try_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
  RETURNING m.id, m.email, m.return_path, m.tries
$$
