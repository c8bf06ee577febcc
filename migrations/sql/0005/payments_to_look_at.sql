-- Pending payments whose provider should be asked again: soon at first, then at growing intervals up to
-- an hour. They count as asked, so that no two processes take the same.
CREATE FUNCTION payments_to_look_at(p_limit integer) RETURNS TABLE (account_id bigint, moment bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  UPDATE payments p
     SET looked_at = clock_timestamp(), looks = least(p.looks + 1, 100)
   WHERE (p.account_id, p.moment) IN (
     SELECT d.account_id, d.moment FROM payments d
      WHERE d.status = 'PENDING'
        AND coalesce(d.looked_at, to_timestamp(d.moment / 1000000.0))
            + least(interval '1 minute' * power(2, least(d.looks, 10)), interval '1 hour') <= clock_timestamp()
      ORDER BY d.moment LIMIT p_limit FOR UPDATE SKIP LOCKED)
  RETURNING p.account_id, p.moment
$$
