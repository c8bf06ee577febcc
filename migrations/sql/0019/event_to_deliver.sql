-- What a job is to deliver; no row when its turn is over.
CREATE FUNCTION event_to_deliver(
  p_event bigint, p_endpoint text, p_turn integer,
  OUT salt bigint, OUT type text, OUT facts jsonb, OUT told_at timestamptz, OUT tries integer
) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT e.salt, e.type, e.facts, e.told_at, d.tries
    FROM event_deliveries d
    JOIN told_events e ON e.id = d.event_id
   WHERE d.event_id = p_event AND d.endpoint = p_endpoint AND d.turn = p_turn AND d.state = 'WAITING'
$$
