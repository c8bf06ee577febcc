-- Lets an answer wait again that its runner cannot finish and of which nothing was delivered; false
-- when it is not the runner's any more.
CREATE FUNCTION hand_back_answer(
  p_runner uuid, p_account bigint, p_key_number integer, p_moment bigint, p_question text, p_seconds integer
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  UPDATE holds h SET runner = NULL, expires_at = clock_timestamp() + p_seconds * interval '1 second'
   WHERE h.account_id = p_account AND h.moment = p_moment AND h.key_number = p_key_number
     AND h.ended_moment IS NULL AND h.runner = p_runner AND h.expires_at > clock_timestamp();
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO waiting_questions (account_id, moment, key_number, question)
  VALUES (p_account, p_moment, p_key_number, p_question)
  ON CONFLICT DO NOTHING;
  RETURN true;
END $$
