-- Moves available credits between two purses of one account, lot by lot, so that they keep their
-- expiry and stay paid or free. What has lapsed is there for holds only, and moves last. Two entries;
-- the returned moment and totals are the giving purse's.
-- Outcomes as in move_credits.
CREATE FUNCTION transfer_credits(
  p_account bigint, p_from integer, p_to integer, p_amount bigint, p_operation text, p_key uuid, p_digest uuid,
  OUT outcome smallint, OUT moment bigint, OUT total bigint, OUT held bigint, OUT owed bigint, OUT changed bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_locked integer;
  v_entry bigint;
  v_lot_moment bigint;
  v_left bigint := p_amount;
  v_part bigint;
  v_lot record;
BEGIN
  SELECT count(*) INTO v_locked FROM (
    SELECT FROM balances b WHERE b.account_id = p_account AND b.key_number IN (p_from, p_to)
     ORDER BY b.key_number FOR NO KEY UPDATE) l;
  IF v_locked < 2 OR p_from = p_to THEN
    outcome := 5;
    RETURN;
  END IF;
  SELECT k.outcome, k.moment INTO outcome, moment FROM known_key(p_account, p_operation, p_key, p_digest) k;
  IF outcome IS NULL THEN
    PERFORM settle_purse(p_account, p_from);
    PERFORM settle_purse(p_account, p_to);
    SELECT b.total, b.held, b.owed, b.moment INTO total, held, owed, changed FROM balances b
     WHERE b.account_id = p_account AND b.key_number = p_from;
    IF total - held < p_amount THEN
      outcome := 3;
      RETURN;
    END IF;
    moment := post_entry(p_account, p_from, 'TRANSFER', -p_amount);
    v_entry := post_entry(p_account, p_to, 'TRANSFER', p_amount);
    v_lot_moment := v_entry;
    FOR v_lot IN
      SELECT l.moment, l.remaining, l.is_paid, l.expires_at FROM lots l
       WHERE l.account_id = p_account AND l.key_number = p_from AND l.remaining > 0
       ORDER BY coalesce(l.expires_at <= clock_timestamp(), false), l.expires_at NULLS LAST, l.is_paid, l.moment
    LOOP
      v_part := least(v_left, v_lot.remaining);
      UPDATE lots l SET remaining = l.remaining - v_part
       WHERE l.account_id = p_account AND l.key_number = p_from AND l.moment = v_lot.moment;
      INSERT INTO lots (account_id, moment, key_number, entry_moment, amount, remaining, is_paid, expires_at)
      VALUES (p_account, v_lot_moment, p_to, v_entry, v_part, v_part, v_lot.is_paid, v_lot.expires_at);
      v_lot_moment := v_lot_moment + 1;
      v_left := v_left - v_part;
      EXIT WHEN v_left = 0;
    END LOOP;
    UPDATE balances b SET moment = greatest(b.moment, v_lot_moment) WHERE b.account_id = p_account AND b.key_number = p_to;
    PERFORM settle_purse(p_account, p_from);
    PERFORM settle_purse(p_account, p_to);
    INSERT INTO idempotency_keys (account_id, operation, key, digest, moment, key_number)
    VALUES (p_account, p_operation, p_key, p_digest, moment, p_from);
    outcome := 0;
  END IF;
  SELECT b.total, b.held, b.owed, b.moment INTO total, held, owed, changed FROM balances b
   WHERE b.account_id = p_account AND b.key_number = p_from;
END $$
