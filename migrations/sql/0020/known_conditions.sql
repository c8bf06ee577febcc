-- Every subject of a kind with a condition that lasts, or with an alert that nobody has seen.
CREATE FUNCTION known_conditions(p_kind text)
RETURNS TABLE (subject text, told_at timestamptz, low_since timestamptz, acknowledged_at timestamptz, is_open boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT subject, c.told_at, c.low_since, (SELECT a.acknowledged_at FROM alerts a WHERE a.id = c.alert_id), o.id IS NOT NULL
    FROM (SELECT c.* FROM alert_conditions c WHERE c.kind = p_kind) c
    FULL JOIN (SELECT a.id, a.subject FROM alerts a WHERE a.kind = p_kind AND a.acknowledged_at IS NULL) o USING (subject)
$$
