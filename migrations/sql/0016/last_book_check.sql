-- How the books stood when they were last recomputed; no row before the first time.
CREATE FUNCTION last_book_check()
RETURNS TABLE (finished_at timestamptz, rules integer, unfinished integer, differences bigint, imbalances bigint, summary text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT c.finished_at, c.rules, c.unfinished, c.differences, c.imbalances, c.summary
    FROM book_checks c ORDER BY c.id DESC LIMIT 1
$$
