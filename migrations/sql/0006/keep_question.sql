-- Keeps the question of an answer that waits, unless it is kept already or the answer no longer waits.
-- The hold is locked, so that nobody claims the answer, or ends it, at the same time.
CREATE FUNCTION keep_question(p_account bigint, p_key_number integer, p_moment bigint, p_question text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  PERFORM FROM holds h
    WHERE h.account_id = p_account AND h.moment = p_moment AND h.key_number = p_key_number
      AND h.ended_moment IS NULL AND h.runner IS NULL
      FOR SHARE;
  IF FOUND THEN
    INSERT INTO waiting_questions (account_id, moment, key_number, question)
    VALUES (p_account, p_moment, p_key_number, p_question)
    ON CONFLICT DO NOTHING;
  END IF;
END $$
