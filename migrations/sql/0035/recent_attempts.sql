-- How often each model was asked lately, and how often its provider failed. What came to nothing because
-- a process of ours died, or was canceled or refused before it was sent, says nothing of providers; nor
-- does what the provider refused for what was asked, which is the last attempt of its answer.
-- Variables rather than expressions, here and below, so that the planner knows how little is asked for;
-- and a value rather than EXISTS, which it might read all holds for.
CREATE FUNCTION recent_attempts(p_within interval) RETURNS TABLE (model_id text, total bigint, failed bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_since bigint := (extract(epoch FROM clock_timestamp() - p_within) * 1000000)::bigint;
BEGIN
  RETURN QUERY
  SELECT u.model_id, count(*), count(*) FILTER (WHERE u.outcome = 'FAILED')
    FROM usage_records u
   WHERE u.moment > v_since
     AND (u.outcome = 'SUCCEEDED'
       OR (u.outcome = 'FAILED' AND u.problem_code IS DISTINCT FROM 'UNAVAILABLE'
         AND (SELECT h.failure FROM holds h
               WHERE h.account_id = u.account_id AND h.moment = u.answer_moment AND h.key_number = u.key_number
                 AND h.attempts = u.attempt) IS DISTINCT FROM 'REJECTED'))
   GROUP BY u.model_id;
END $$
