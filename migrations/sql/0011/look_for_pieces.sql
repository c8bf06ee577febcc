-- Says that these answers are followed, and returns what there is of each after an offset, in order.
-- Each answer comes with at least one row, which tells whether it has ended.
CREATE FUNCTION look_for_pieces(p_account bigint[], p_key_number integer[], p_moment bigint[], p_offset integer[])
RETURNS TABLE (account_id bigint, key_number integer, moment bigint, begins_at integer, text text, is_over boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_new text;
BEGIN
  WITH said AS (
    INSERT INTO answer_followers AS f (account_id, moment, key_number, until)
    SELECT x.account, x.at, x.key, clock_timestamp() + interval '15 seconds'
      FROM unnest(p_account, p_key_number, p_moment) AS x (account, key, at)
      JOIN holds h ON h.account_id = x.account AND h.moment = x.at AND h.key_number = x.key
     WHERE h.ended_moment IS NULL
     ORDER BY x.account, x.at, x.key
        ON CONFLICT (account_id, moment, key_number) DO UPDATE SET until = excluded.until
     WHERE f.until < clock_timestamp() + interval '10 seconds'
    RETURNING f.account_id, f.key_number, f.moment)
  SELECT string_agg(format('%s.%s.%s', account_id, key_number, moment), ' ') INTO v_new FROM said;
  IF v_new IS NOT NULL AND length(v_new) < 8000 THEN
    PERFORM pg_notify('tallystick_followed', v_new);
  END IF;
  RETURN QUERY
    SELECT x.account, x.key, x.at, p.begins_at, p.text, h.ended_moment IS NOT NULL OR h.account_id IS NULL
      FROM unnest(p_account, p_key_number, p_moment, p_offset) AS x (account, key, at, after)
      LEFT JOIN holds h ON h.account_id = x.account AND h.moment = x.at AND h.key_number = x.key
      LEFT JOIN answer_pieces p ON p.account_id = x.account AND p.moment = x.at AND p.key_number = x.key
                               AND p.begins_at >= x.after AND h.ended_moment IS NULL
     ORDER BY x.account, x.at, x.key, p.begins_at;
END $$
