-- Adds pieces of answers in progress, and tells whoever follows them in the same commit.
CREATE FUNCTION add_pieces(
  p_account bigint[], p_key_number integer[], p_moment bigint[], p_begins_at integer[], p_text text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_told text;
BEGIN
  INSERT INTO answer_pieces (account_id, moment, key_number, begins_at, text)
  SELECT x.account, x.at, x.key, x.begins_at, x.text
    FROM unnest(p_account, p_key_number, p_moment, p_begins_at, p_text) AS x (account, key, at, begins_at, text)
      ON CONFLICT DO NOTHING;
  SELECT string_agg(DISTINCT format('%s.%s.%s', x.account, x.key, x.at), ' ') INTO v_told
    FROM unnest(p_account, p_key_number, p_moment) AS x (account, key, at);
  -- A notice has room for 8000 bytes; an empty one tells everybody to look.
  PERFORM pg_notify('tallystick_pieces', CASE WHEN length(v_told) < 8000 THEN v_told ELSE '' END);
END $$
