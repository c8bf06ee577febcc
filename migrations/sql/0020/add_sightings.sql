-- Adds what one process counted to the counts of this minute, and forgets the counts of an hour ago.
CREATE FUNCTION add_sightings(p_kind text[], p_subject text[], p_account bigint[], p_times bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  INSERT INTO sightings AS s (kind, minute, subject, account_id, times)
  SELECT u.kind, date_trunc('minute', now()), u.subject, u.account_id, u.times
    FROM unnest(p_kind, p_subject, p_account, p_times) AS u (kind, subject, account_id, times)
   ORDER BY u.kind, u.subject  -- always the same, so that processes wait for each other and never in a ring
  ON CONFLICT (kind, minute, subject)
  DO UPDATE SET times = s.times + excluded.times, account_id = coalesce(excluded.account_id, s.account_id);
  DELETE FROM sightings s WHERE s.minute < now() - interval '1 hour';
END $$
