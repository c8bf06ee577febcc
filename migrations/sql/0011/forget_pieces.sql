-- Removes what runners that died have left: pieces of answers that have ended, and followers long gone.
-- Returns how many answers it was.
CREATE FUNCTION forget_pieces(p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_forgotten integer;
BEGIN
  DELETE FROM answer_followers WHERE until < now() - interval '1 hour';
  WITH over AS (
    SELECT DISTINCT p.account_id, p.moment, p.key_number
      FROM answer_pieces p
     WHERE p.moment < ((extract(epoch FROM now()) - 60) * 1000000)::bigint
       AND NOT EXISTS (
         SELECT FROM holds h
          WHERE h.account_id = p.account_id AND h.moment = p.moment AND h.key_number = p.key_number
            AND h.ended_moment IS NULL)
     LIMIT p_limit),
  removed AS (
    DELETE FROM answer_pieces p USING over o
     WHERE p.account_id = o.account_id AND p.moment = o.moment AND p.key_number = o.key_number
    RETURNING p.account_id, p.moment, p.key_number)
  SELECT count(DISTINCT (account_id, moment, key_number)) INTO v_forgotten FROM removed;
  RETURN v_forgotten;
END $$
