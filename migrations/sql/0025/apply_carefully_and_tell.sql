-- apply_carefully(), and in the same commit what the operator's systems are told about it: of the ends that
-- ended here and now, not of those that are replayed or were refused.
CREATE FUNCTION apply_carefully_and_tell(
  p_runner uuid, p_words text[], p_purses bigint[], p_endings bigint[], p_texts text[], p_takings bigint[], p_keys uuid[],
  p_attempts bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_result CONSTANT bigint[] := apply_carefully(p_runner, p_words, p_purses, p_endings, p_texts, p_takings, p_keys, p_attempts);
  v_operations CONSTANT integer := cardinality(v_result) / 6;
  v_ends CONSTANT integer := cardinality(p_endings) / 11;
BEGIN
  PERFORM tell_of_answers(array_agg(p_purses[p_endings[i * 11 + 1] * 6 + 1] ORDER BY i), array_agg(p_purses[p_endings[i * 11 + 1] * 6 + 2]::integer ORDER BY i),
                          array_agg(p_endings[i * 11 + 3] ORDER BY i))
     FROM generate_series(0, v_ends - 1) i
    WHERE v_result[i + 1] = 0;
  PERFORM tell_of_low(b.account_id, b.key_number, b.total, x.spent)
     FROM (SELECT p_purses[p_endings[i * 11 + 1] * 6 + 1] AS account, p_purses[p_endings[i * 11 + 1] * 6 + 2]::integer AS key,
                  sum(v_result[2 * v_operations + i + 1])::bigint AS spent
             FROM generate_series(0, v_ends - 1) i
            WHERE v_result[i + 1] = 0
            GROUP BY 1, 2) x
     JOIN balances b ON b.account_id = x.account AND b.key_number = x.key
    WHERE x.spent > 0;
  RETURN v_result;
END $$
