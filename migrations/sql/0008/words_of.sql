-- The words of such a column.
CREATE FUNCTION words_of(p_words text[], p_rows bigint[], p_width integer, p_column integer) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = tallystick, pg_temp AS $$
  SELECT coalesce(array_agg(p_words[p_rows[i]] ORDER BY i), '{}') FROM generate_series(p_column, cardinality(p_rows), p_width) i
$$
