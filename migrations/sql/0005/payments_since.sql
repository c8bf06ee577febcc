-- Payments begun since a time, oldest first, for comparing them with their providers'.
CREATE FUNCTION payments_since(p_since timestamptz) RETURNS SETOF payments
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT * FROM payments WHERE moment >= (extract(epoch FROM p_since) * 1000000)::bigint ORDER BY moment, account_id
$$
