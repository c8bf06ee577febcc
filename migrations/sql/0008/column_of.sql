-- One column of rows that lie one after the other in an array; -1 stands for null.
CREATE FUNCTION column_of(p_rows bigint[], p_width integer, p_column integer) RETURNS bigint[]
LANGUAGE sql IMMUTABLE SET search_path = tallystick, pg_temp AS $$
  SELECT coalesce(array_agg(nullif(p_rows[i], -1) ORDER BY i), '{}') FROM generate_series(p_column, cardinality(p_rows), p_width) i
$$
