-- Keeps a new order of the account whose session is in force. Outcomes: 0 begun, 1 replayed, 2 conflict,
-- 3 too many are unfinished.
CREATE FUNCTION begin_payment(
  p_provider text, p_mode text, p_pack text, p_pack_name text, p_currency text, p_price bigint, p_basis text,
  p_credits bigint, p_bonus bigint, p_valid_days integer, p_bonus_valid_days integer, p_unfinished_max integer,
  p_operation text, p_key uuid, p_digest uuid,
  OUT outcome smallint, OUT account_id bigint, OUT moment bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_account bigint := require_session();
  v_moment bigint;
BEGIN
  PERFORM FROM balances b WHERE b.account_id = v_account AND b.key_number = 0 FOR NO KEY UPDATE;
  SELECT k.outcome, v_account, k.moment INTO outcome, account_id, moment
    FROM known_key(v_account, p_operation, p_key, p_digest) k;
  IF outcome IS NOT NULL THEN
    RETURN;
  END IF;
  IF (SELECT count(*) FROM payments p WHERE p.account_id = v_account AND p.status = 'PENDING') >= p_unfinished_max THEN
    outcome := 3;
    RETURN;
  END IF;
  UPDATE balances b SET moment = greatest(b.moment + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
   WHERE b.account_id = v_account AND b.key_number = 0
  RETURNING b.moment INTO STRICT v_moment;
  INSERT INTO payments (account_id, moment, provider, mode, pack_id, pack_name, currency, price, price_basis,
                        credits, bonus, valid_days, bonus_valid_days)
  VALUES (v_account, v_moment, p_provider, p_mode, p_pack, p_pack_name, p_currency, p_price, p_basis,
          p_credits, p_bonus, p_valid_days, p_bonus_valid_days);
  INSERT INTO idempotency_keys (account_id, operation, key, digest, moment, key_number)
  VALUES (v_account, p_operation, p_key, p_digest, v_moment, 0);
  outcome := 0;
  account_id := v_account;
  moment := v_moment;
END $$
