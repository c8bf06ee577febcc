-- One batch of the hot path as it usually is: every hold fits and every hold to end is open. One call
-- is one commit. Returns null, with nothing done, when some purse of the batch needs more thought
-- (credits short, owed or due to expire, no such purse); the writer then calls apply_carefully() with
-- the same arguments. It does so too after unique_violation (an idempotency key was used before) and
-- serialization_failure (a hold is not open, or smaller than its charge), which undo everything.
--
-- Purses (p_) come once each, sorted, with what the batch does to them in sum. The balances are locked
-- first, in that order: batches of several processes cannot deadlock, and each sees all that went
-- before. Operations name their purse by its place, from 1: holds to end (e_), holds to take (b_) and
-- usage records (u_, which name their end by its place too). They are decided in that order, sorted by
-- purse, and *_at is each one's moment, counted from the first of its purse; e_line and e_through are
-- how many entries the purse has after it and what it spent with it, counted from this batch's start.
--
-- Texts may be left out altogether. Returned are, one after the other: for each purse the first moment, total and held as they were; for
-- each end the amount of its hold.
CREATE FUNCTION apply(
  p_runner uuid, p_account bigint[], p_key integer[], p_wanted bigint[], p_spent bigint[], p_lines integer[], p_span integer[],
  b_purse integer[], b_at integer[], b_amount bigint[], b_seconds integer[], b_key uuid[], b_digest uuid[],
  b_api_key integer[], b_model text[], b_price bigint[], b_tokens_max integer[], b_is_queued boolean[],
  e_purse integer[], e_at integer[], e_hold bigint[], e_kind smallint[], e_cost bigint[], e_line integer[], e_through bigint[],
  e_attempts smallint[], e_text text[], e_finish text[], e_failure text[],
  u_end integer[], u_attempt smallint[], u_outcome text[], u_input bigint[], u_cached bigint[], u_output bigint[],
  u_estimated boolean[], u_latency integer[], u_first integer[], u_problem text[], u_cost bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_now timestamptz;
  q_first bigint[];
  q_total bigint[];
  q_held bigint[];
  q_entries bigint[];
  q_freed bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_account)]);
  e_amount bigint[] := '{}';
  e_api_key integer[];
  e_model text[];
  e_price bigint[];
  v_place integer;
BEGIN
  SELECT array_agg(greatest(l.moment + 1, (date_part('epoch', clock_timestamp()) * 1000000)::bigint)),
         array_agg(l.total), array_agg(l.held), array_agg(l.entries)
    INTO q_first, q_total, q_held, q_entries
    FROM (SELECT b.moment, b.total, b.held, b.entries, b.owed, b.next_expiry, x.wanted
            FROM (SELECT generate_subscripts(p_account, 1) AS place, unnest(p_account) AS account, unnest(p_key) AS key,
                         unnest(p_wanted) AS wanted) x
            JOIN balances b ON b.account_id = ANY (ARRAY[x.account]) AND b.key_number = x.key
           ORDER BY x.place
             FOR NO KEY UPDATE OF b) l
  HAVING count(*) = cardinality(p_account)
     AND bool_and(l.total - l.held >= l.wanted AND l.owed = 0
                  AND (l.next_expiry IS NULL OR l.next_expiry > clock_timestamp()));
  IF q_first IS NULL THEN
    RETURN NULL;
  END IF;

  IF e_purse <> '{}' THEN
    WITH ended AS (
      UPDATE holds h
         SET status = CASE x.kind WHEN 2 THEN 'CAPTURED' ELSE 'RELEASED' END, captured = x.cost,
             ended_moment = q_first[x.purse] + x.at, attempts = x.attempts, finish_reason = x.finish, failure = x.failure
        FROM (SELECT unnest(e_purse) AS purse, unnest(e_at) AS at, unnest(e_hold) AS hold, unnest(e_kind) AS kind, unnest(e_cost) AS cost,
                     unnest(e_attempts) AS attempts, unnest(e_finish) AS finish, unnest(e_failure) AS failure) x
       WHERE h.account_id = ANY (ARRAY[p_account[x.purse]]) AND h.moment = x.hold AND h.key_number = p_key[x.purse]
         AND h.ended_moment IS NULL AND h.amount >= x.cost
      RETURNING x.purse, x.at, h.amount, h.api_key_number, h.model_id, h.price_id)
    SELECT array_agg(amount ORDER BY purse, at), array_agg(api_key_number ORDER BY purse, at),
           array_agg(model_id ORDER BY purse, at), array_agg(price_id ORDER BY purse, at)
      INTO e_amount, e_api_key, e_model, e_price
      FROM ended;
    IF cardinality(e_amount) IS DISTINCT FROM cardinality(e_purse) THEN
      RAISE EXCEPTION 'a hold to end is not open, or smaller than its charge' USING ERRCODE = 'serialization_failure';
    END IF;
    FOR i IN 1..cardinality(e_purse) LOOP
      v_place := e_purse[i];
      q_freed[v_place] := q_freed[v_place] + e_amount[i];
    END LOOP;
    INSERT INTO entries (account_id, moment, key_number, seq, kind, amount, total_after, hold_moment)
    SELECT p_account[x.purse], q_first[x.purse] + x.at, p_key[x.purse], q_entries[x.purse] + x.line, 'CHARGE', -x.cost,
           q_total[x.purse] - x.through, x.hold
      FROM (SELECT unnest(e_purse) AS purse, unnest(e_at) AS at, unnest(e_hold) AS hold, unnest(e_cost) AS cost,
                   unnest(e_line) AS line, unnest(e_through) AS through) x
     WHERE x.cost > 0;
  END IF;

  UPDATE balances b
     SET total = b.total - x.spent, held = b.held + x.wanted - x.freed, moment = x.first + x.span - 1,
         entries = b.entries + x.lines, unattributed = b.unattributed + x.spent
    FROM (SELECT unnest(p_account) AS account, unnest(p_key) AS key, unnest(q_first) AS first, unnest(p_wanted) AS wanted,
                 unnest(p_spent) AS spent, unnest(q_freed) AS freed, unnest(p_lines) AS lines, unnest(p_span) AS span) x
   WHERE b.account_id = ANY (ARRAY[x.account]) AND b.key_number = x.key;

  IF b_purse <> '{}' THEN
    v_now := clock_timestamp();
    INSERT INTO holds (
      account_id, moment, key_number, api_key_number, amount, expires_at, key, digest,
      model_id, price_id, answer_tokens_max, runner)
    SELECT p_account[x.purse], q_first[x.purse] + x.at, p_key[x.purse], x.api_key, x.amount,
           v_now + x.seconds * interval '1 second', x.key, x.digest, x.model, x.price, x.tokens_max,
           CASE WHEN NOT x.is_queued THEN p_runner END
      FROM (SELECT unnest(b_purse) AS purse, unnest(b_at) AS at, unnest(b_amount) AS amount, unnest(b_seconds) AS seconds,
                   unnest(b_api_key) AS api_key, unnest(b_key) AS key, unnest(b_digest) AS digest, unnest(b_model) AS model,
                   unnest(b_price) AS price, unnest(b_tokens_max) AS tokens_max, unnest(b_is_queued) AS is_queued) x;
  END IF;

  IF u_end <> '{}' OR e_text <> '{}' THEN
    PERFORM record_attempts(
      p_account, p_key, q_first, e_purse, e_at, e_hold, e_cost, e_api_key, e_model, e_price, e_text,
      u_end, u_attempt, u_outcome, u_input, u_cached, u_output, u_estimated, u_latency, u_first, u_problem, u_cost);
  END IF;
  RETURN q_first || q_total || q_held || e_amount;
END $$
