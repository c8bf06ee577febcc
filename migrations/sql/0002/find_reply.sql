-- The reply to a call, once it is paid for and as long as it is kept.
CREATE FUNCTION find_reply(p_account bigint, p_key_number integer, p_moment bigint) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT r.reply
    FROM answer_replies r
    JOIN holds h USING (account_id, moment, key_number)
   WHERE r.account_id = p_account AND r.key_number = p_key_number AND r.moment = p_moment
     AND h.status = 'CAPTURED'
$$
