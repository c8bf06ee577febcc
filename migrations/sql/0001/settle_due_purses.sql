-- Books the expiry of lots whose time is over, a few purses at a time; returns how many purses.
-- Purses somebody else is busy with are left for the next round.
CREATE FUNCTION settle_due_purses(p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_purse record;
  v_settled integer := 0;
BEGIN
  FOR v_purse IN
    SELECT b.account_id, b.key_number FROM balances b
     WHERE (b.account_id, b.key_number) IN (
       -- Purses that are held in full would fill the limit, and nothing can leave them yet.
       SELECT l.account_id, l.key_number FROM lots l JOIN balances q USING (account_id, key_number)
        WHERE l.remaining > 0 AND l.expires_at <= clock_timestamp() AND q.total > q.held LIMIT p_limit)
       AND b.total > b.held
     ORDER BY b.account_id, b.key_number
       FOR NO KEY UPDATE SKIP LOCKED
  LOOP
    PERFORM settle_purse(v_purse.account_id, v_purse.key_number);
    v_settled := v_settled + 1;
  END LOOP;
  RETURN v_settled;
END $$
