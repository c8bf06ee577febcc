-- The first moment of the period that a moment is in. Periods begin at midnight UTC, weeks on Monday.
CREATE FUNCTION budget_period_start(p_period text, p_moment bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = tallystick, pg_temp AS $$
  SELECT CASE p_period
    WHEN 'LIFETIME' THEN 0
    ELSE (date_part('epoch', date_trunc(lower(p_period), to_timestamp(p_moment / 1000000) AT TIME ZONE 'UTC')) * 1000000)::bigint END
$$
