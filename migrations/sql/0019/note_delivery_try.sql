-- Keeps what came of a try, and how its delivery stands now. Returns the turn of the next try, which the
-- caller queues in the same transaction; null when there is none, or when the delivery was replayed meanwhile.
-- p_gone is the digest of the endpoint's address when it said that it is gone: all that waits for it is dead.
CREATE FUNCTION note_delivery_try(
  p_event bigint, p_endpoint text, p_turn integer, p_status smallint, p_fault text, p_took_ms integer,
  p_state text, p_again_in interval, p_gone uuid
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_turn integer;
BEGIN
  IF p_gone IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(hashtext('tallystick.gone_endpoints'));  -- or two would lock each other's rows
  END IF;
  INSERT INTO delivery_tries (event_id, endpoint, status, fault, took_ms)
  SELECT d.event_id, d.endpoint, p_status, p_fault, p_took_ms
    FROM event_deliveries d WHERE d.event_id = p_event AND d.endpoint = p_endpoint;
  UPDATE event_deliveries d
     SET state = p_state, tries = d.tries + 1, turn = d.turn + 1, queued_turn = d.turn + 1, changed_at = now(),
         next_try_at = now() + coalesce(p_again_in, interval '0')
   WHERE d.event_id = p_event AND d.endpoint = p_endpoint AND d.turn = p_turn AND d.state = 'WAITING'
  RETURNING d.turn INTO v_turn;
  IF p_state = 'DELIVERED' THEN
    DELETE FROM gone_endpoints WHERE name = p_endpoint;  -- it was replayed, and is back
  END IF;
  IF p_gone IS NOT NULL THEN
    INSERT INTO gone_endpoints (name, address_digest) VALUES (p_endpoint, p_gone)
    ON CONFLICT (name) DO UPDATE SET address_digest = excluded.address_digest, since = now();
    WITH dead AS (
      UPDATE event_deliveries d SET state = 'DEAD', turn = d.turn + 1, changed_at = now()
       WHERE d.endpoint = p_endpoint AND d.state = 'WAITING'
      RETURNING d.event_id)
    INSERT INTO delivery_tries (event_id, endpoint, fault, took_ms)
    SELECT dead.event_id, p_endpoint, 'the endpoint said that it is gone', 0 FROM dead;
  END IF;
  RETURN CASE WHEN p_state = 'WAITING' THEN v_turn END;
END $$
