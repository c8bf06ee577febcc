-- What was counted lately, by subject, the most frequent first. What concerned one account is one subject,
-- by whichever way somebody tried to get in.
CREATE FUNCTION recent_sightings(p_kind text, p_within interval, p_limit integer)
RETURNS TABLE (subject text, account_id bigint, times bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT coalesce('account ' || known.account_id, known.subject), known.account_id, sum(known.times)::bigint
    FROM (SELECT s.subject, max(s.account_id) AS account_id, sum(s.times) AS times
            FROM sightings s
           WHERE s.kind = p_kind AND s.minute > now() - p_within
           GROUP BY s.subject) known
   GROUP BY 1, 2
   ORDER BY 3 DESC, 1
   LIMIT p_limit
$$
