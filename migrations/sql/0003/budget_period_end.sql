-- The first moment after the period that a moment is in; the last there is, for a lifetime.
CREATE FUNCTION budget_period_end(p_period text, p_moment bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = tallystick, pg_temp AS $$
  SELECT CASE p_period
    WHEN 'LIFETIME' THEN 9223372036854775807
    ELSE (date_part('epoch', date_trunc(lower(p_period), to_timestamp(p_moment / 1000000) AT TIME ZONE 'UTC')
                             + ('1 ' || p_period)::interval) * 1000000)::bigint END
$$
