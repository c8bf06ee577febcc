-- Makes a delivery of each new event for each endpoint that wants it, and says which deliveries need a job.
-- The caller queues them in the same transaction. An endpoint comes as its name, a digest of its address, and
-- the types it wants, in one text.
--
-- A delivery needs a job when it is new or replayed. One that is overdue gets another, in case its job was
-- lost; one for an endpoint that nobody has named for a day is given up.
CREATE FUNCTION spread_events(
  p_names text[], p_digests uuid[], p_types text[], p_limit integer,
  OUT event_id bigint, OUT endpoint text, OUT turn integer
) RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
#variable_conflict use_column
DECLARE
  c_lost CONSTANT interval := interval '10 minutes';
  c_forsaken CONSTANT interval := interval '1 day';
BEGIN
  WITH found AS (
    SELECT e.id, e.type FROM told_events e WHERE e.spread_at IS NULL ORDER BY e.id LIMIT p_limit FOR UPDATE SKIP LOCKED),
  marked AS (
    UPDATE told_events e SET spread_at = clock_timestamp() FROM found f WHERE e.id = f.id),
  made AS (
    INSERT INTO event_deliveries (event_id, endpoint, state)
    SELECT f.id, x.name, CASE WHEN g.name IS NULL THEN 'WAITING' ELSE 'DEAD' END
      FROM unnest(p_names, p_digests, p_types) AS x (name, digest, types)
      JOIN found f ON f.type = ANY (string_to_array(x.types, ' '))
      LEFT JOIN gone_endpoints g ON g.name = x.name AND g.address_digest = x.digest
    ON CONFLICT DO NOTHING
    RETURNING event_id, endpoint, state)
  INSERT INTO delivery_tries (event_id, endpoint, fault, took_ms)
  SELECT m.event_id, m.endpoint, 'the endpoint said that it is gone', 0 FROM made m WHERE m.state = 'DEAD';

  WITH forsaken AS (
    UPDATE event_deliveries d SET state = 'DEAD', changed_at = now()
     WHERE d.state = 'WAITING' AND d.next_try_at < now() - c_forsaken AND d.endpoint <> ALL (p_names)
    RETURNING d.event_id, d.endpoint)
  INSERT INTO delivery_tries (event_id, endpoint, fault, took_ms)
  SELECT f.event_id, f.endpoint, 'no endpoint of this name is configured', 0 FROM forsaken f;

  RETURN QUERY
  WITH due AS (
    SELECT d.event_id, d.endpoint FROM event_deliveries d
     WHERE d.state = 'WAITING' AND d.endpoint = ANY (p_names)
       AND (d.queued_turn < d.turn AND d.next_try_at <= now() OR d.next_try_at < now() - c_lost)
     ORDER BY d.next_try_at
     LIMIT p_limit
       FOR UPDATE SKIP LOCKED)
  UPDATE event_deliveries d SET queued_turn = d.turn, next_try_at = greatest(d.next_try_at, now())
    FROM due
   WHERE d.event_id = due.event_id AND d.endpoint = due.endpoint
  RETURNING d.event_id, d.endpoint, d.turn;
END $$
