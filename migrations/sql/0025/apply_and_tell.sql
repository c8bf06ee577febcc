-- apply(), and in the same commit what the operator's systems are told about it.
CREATE FUNCTION apply_and_tell(
  p_runner uuid, p_words text[], p_purses bigint[], p_endings bigint[], p_texts text[], p_takings bigint[], p_keys uuid[],
  p_attempts bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_result CONSTANT bigint[] := apply(p_runner, p_words, p_purses, p_endings, p_texts, p_takings, p_keys, p_attempts);
  v_purses CONSTANT integer := cardinality(p_purses) / 6;
BEGIN
  IF p_endings <> '{}' THEN
    PERFORM tell_of_answers(array_agg(p_purses[p_endings[i] * 6 + 1] ORDER BY i), array_agg(p_purses[p_endings[i] * 6 + 2]::integer ORDER BY i),
                            array_agg(p_endings[i + 2] ORDER BY i))
       FROM generate_series(1, cardinality(p_endings), 11) i;
    -- What apply() answers are the totals before what was spent.
    PERFORM tell_of_low(p_purses[i * 6 + 1], p_purses[i * 6 + 2]::integer, v_result[v_purses + i + 1] - p_purses[i * 6 + 4], p_purses[i * 6 + 4])
       FROM generate_series(0, v_purses - 1) i
      CROSS JOIN event_wishes w
      WHERE p_purses[i * 6 + 4] > 0 AND v_result[v_purses + i + 1] - p_purses[i * 6 + 4] < w.low_balance;
  END IF;
  RETURN v_result;
END $$
