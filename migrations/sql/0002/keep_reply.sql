-- Keeps the reply to a call whose hold is still open; a reply that was kept before stays.
CREATE FUNCTION keep_reply(p_account bigint, p_key_number integer, p_moment bigint, p_reply bytea)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  INSERT INTO answer_replies (account_id, moment, key_number, reply)
  SELECT h.account_id, h.moment, h.key_number, p_reply
    FROM holds h
   WHERE h.account_id = p_account AND h.moment = p_moment AND h.key_number = p_key_number
     AND h.status = 'OPEN'
      ON CONFLICT DO NOTHING
$$
