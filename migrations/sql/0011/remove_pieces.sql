-- Removes the pieces of answers that have ended, and tells whoever follows them that they have.
CREATE FUNCTION remove_pieces(p_account bigint[], p_key_number integer[], p_moment bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_told text;
BEGIN
  DELETE FROM answer_pieces p
   USING unnest(p_account, p_key_number, p_moment) AS x (account, key, at)
   WHERE p.account_id = x.account AND p.moment = x.at AND p.key_number = x.key;
  DELETE FROM answer_followers f
   USING unnest(p_account, p_key_number, p_moment) AS x (account, key, at)
   WHERE f.account_id = x.account AND f.moment = x.at AND f.key_number = x.key;
  SELECT string_agg(format('%s.%s.%s', x.account, x.key, x.at), ' ') INTO v_told
    FROM unnest(p_account, p_key_number, p_moment) AS x (account, key, at);
  PERFORM pg_notify('tallystick_pieces', CASE WHEN length(v_told) < 8000 THEN v_told ELSE '' END);
END $$
