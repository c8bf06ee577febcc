-- Tells that answers have finished: those of holds that ended in this transaction. Other holds are passed over.
CREATE FUNCTION tell_of_answers(p_account bigint[], p_key integer[], p_hold bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM event_wishes WHERE 'answer.finished' = ANY (types)) THEN
    RETURN;
  END IF;
  INSERT INTO told_events (salt, type, account_id, facts)
  SELECT hashtextextended(gen_random_uuid()::text, 0) & 9223372036854775807, 'answer.finished', a.account_id,
         jsonb_build_object('account', a.account_id, 'key', a.key_number, 'moment', a.moment, 'api_key', a.api_key_number,
                            'status', a.status, 'model', a.model_id, 'finish', a.finish_reason, 'charged', a.charged)
    FROM (SELECT generate_subscripts(p_hold, 1) AS place, unnest(p_account) AS account, unnest(p_key) AS key,
                 unnest(p_hold) AS hold OFFSET 0) x
    JOIN answers a ON a.account_id = ANY (ARRAY[x.account]) AND a.moment = x.hold AND a.key_number = x.key
   ORDER BY x.place;
END $$
