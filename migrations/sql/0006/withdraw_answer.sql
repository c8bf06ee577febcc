-- Takes an answer out of the queue, so that whoever calls this can end its hold and nobody runs it;
-- false when it does not wait.
CREATE FUNCTION withdraw_answer(p_account bigint, p_key_number integer, p_moment bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  PERFORM FROM holds h
    WHERE h.account_id = p_account AND h.moment = p_moment AND h.key_number = p_key_number
      AND h.ended_moment IS NULL AND h.runner IS NULL
      FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  DELETE FROM waiting_questions q
   WHERE q.account_id = p_account AND q.moment = p_moment AND q.key_number = p_key_number;
  RETURN true;
END $$
