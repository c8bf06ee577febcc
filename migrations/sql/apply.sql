-- One batch of the hot path: holds taken, captured, released and expired, each with its answer, its
-- usage records and its roll-up. One call is one commit; every operation gets its own outcome.
--
-- Purses come once each, sorted; operations (o_) name theirs by its place, from 1, and come sorted by
-- it. The balances are locked first, in that order: so every operation sees the one before it, batches
-- of other processes cannot deadlock with this one, and everything is decided in memory before a row
-- is written. Rows to write come beside the operations, naming them by place: beginnings (b_) of
-- holds, ends (e_), and usage records (u_), these sorted by operation.
--
-- Kinds: 1 hold, 2 capture (at most the hold; the rest goes back), 3 release, 4 expire (release if its
-- time is over). Outcomes: 0 done, 1 replayed (with the first effect's moment), 2 conflict (key or hold
-- used otherwise), 3 insufficient, 4 no such open hold, 5 no such purse.
--
-- Keys are inserted without looking first. One that was used before fails the call with
-- unique_violation and without a trace; the writer then calls again with p_check.
CREATE FUNCTION apply(
  p_accounts bigint[], p_keys integer[], p_runner uuid, p_check boolean,
  o_purse integer[], o_kind smallint[], o_amount bigint[], o_span smallint[],
  b_op integer[], b_seconds integer[], b_api_key integer[], b_key uuid[], b_digest uuid[],
  b_model text[], b_price bigint[], b_tokens_max integer[], b_status text[],
  e_op integer[], e_hold bigint[], e_status text[], e_text text[], e_finish text[], e_failure text[],
  u_op integer[], u_hold bigint[], u_attempt smallint[], u_outcome text[], u_input bigint[], u_cached bigint[],
  u_output bigint[], u_estimated boolean[], u_latency integer[], u_first integer[], u_problem text[], u_cost bigint[],
  OUT r_outcome smallint[], OUT r_moment bigint[], OUT r_amount bigint[],
  OUT r_total bigint[], OUT r_held bigint[], OUT r_owed bigint[]
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  n CONSTANT integer := cardinality(o_purse);
  m CONSTANT integer := cardinality(p_accounts);
  v_zeros CONSTANT bigint[] := array_fill(0::bigint, ARRAY[n]);
  v_now timestamptz;
  v_clock bigint;
  -- per purse
  q_place integer[];
  q_total bigint[];
  q_held bigint[];
  q_owed bigint[];
  q_moment bigint[];
  q_entries bigint[];
  q_spent bigint[] := array_fill(0::bigint, ARRAY[m]);
  -- per operation
  v_ended bigint[] := v_zeros;  -- the amount of the hold that ended, or 0
  v_seq bigint[] := v_zeros;    -- the entry's number, or 0
  v_api_key bigint[] := v_zeros;
  v_price bigint[] := v_zeros;
  v_model text[] := array_fill(''::text, ARRAY[n]);
  v_total bigint;
  v_held bigint;
  v_entries bigint;
  v_moment bigint;
  v_amount bigint;
  j integer := 0;
  r record;
  has_refusals boolean := false;
  needs_settling boolean;
BEGIN
  r_outcome := array_fill(0::smallint, ARRAY[n]);
  r_moment := v_zeros;
  r_amount := o_amount;
  r_total := v_zeros;
  r_held := v_zeros;
  r_owed := v_zeros;

  -- Lock and read the balances.
  SELECT array_agg(l.place), array_agg(l.total), array_agg(l.held), array_agg(l.owed), array_agg(l.moment),
         array_agg(l.entries), coalesce(bool_or(l.owed > 0 OR l.next_expiry <= clock_timestamp()), false)
    INTO q_place, q_total, q_held, q_owed, q_moment, q_entries, needs_settling
    FROM (SELECT u.place, b.total, b.held, b.owed, b.moment, b.entries, b.next_expiry
            FROM unnest(p_accounts, p_keys) WITH ORDINALITY AS u (account, key, place)
            JOIN balances b ON b.account_id = u.account AND b.key_number = u.key
           ORDER BY u.place
             FOR NO KEY UPDATE OF b) l;
  IF needs_settling OR coalesce(cardinality(q_place), 0) < m THEN
    FOREACH j IN ARRAY coalesce(q_place, '{}') LOOP
      PERFORM settle_purse(p_accounts[j], p_keys[j]);
    END LOOP;
    SELECT array_agg(b.total ORDER BY u.place), array_agg(b.held ORDER BY u.place), array_agg(b.owed ORDER BY u.place),
           array_agg(b.moment ORDER BY u.place), array_agg(b.entries ORDER BY u.place)
      INTO q_total, q_held, q_owed, q_moment, q_entries
      FROM unnest(p_accounts, p_keys) WITH ORDINALITY AS u (account, key, place)
      LEFT JOIN balances b ON b.account_id = u.account AND b.key_number = u.key;
  END IF;
  v_now := clock_timestamp();
  v_clock := (extract(epoch FROM v_now) * 1000000)::bigint;

  -- Name every operation.
  j := 0;
  FOR i IN 1..n LOOP
    IF o_purse[i] <> j THEN
      j := o_purse[i];
      v_moment := greatest(q_moment[j] + 1, v_clock);
    END IF;
    r_moment[i] := v_moment;
    v_moment := v_moment + o_span[i];
  END LOOP;

  -- End the holds that end here, each at most once. Open is said as "has no end", which is exact.
  IF e_op <> '{}' THEN
    FOR r IN
      UPDATE holds h
         SET status = CASE o_kind[x.op] WHEN 2 THEN 'CAPTURED' WHEN 3 THEN 'RELEASED' ELSE 'EXPIRED' END,
             captured = CASE o_kind[x.op] WHEN 2 THEN least(o_amount[x.op], h.amount) ELSE 0 END,
             ended_moment = r_moment[x.op], attempts = o_span[x.op] - 1,
             answer_status = CASE WHEN h.model_id IS NOT NULL THEN x.status END,
             finish_reason = x.finish, failure = x.failure
        FROM unnest(e_op, e_hold, e_status, e_finish, e_failure) AS x (op, hold, status, finish, failure)
       WHERE h.account_id = p_accounts[o_purse[x.op]] AND h.moment = x.hold AND h.key_number = p_keys[o_purse[x.op]]
         AND h.ended_moment IS NULL AND (o_kind[x.op] < 4 OR h.expires_at <= v_now)
      RETURNING x.op, h.amount, h.captured, h.api_key_number, h.model_id, h.price_id
    LOOP
      v_ended[r.op] := r.amount;
      r_amount[r.op] := r.captured;
      v_api_key[r.op] := r.api_key_number;
      v_model[r.op] := r.model_id;
      v_price[r.op] := r.price_id;
    END LOOP;
  END IF;

  -- Keys used before answer from memory.
  IF p_check THEN
    FOR r IN
      SELECT x.op, CASE WHEN h.digest = x.digest THEN 1 ELSE 2 END AS outcome, h.moment, h.amount
        FROM unnest(b_op, b_key, b_digest) AS x (op, key, digest)
        JOIN holds h ON h.account_id = p_accounts[o_purse[x.op]] AND h.key = x.key
    LOOP
      r_outcome[r.op] := r.outcome;
      r_moment[r.op] := r.moment;
      r_amount[r.op] := r.amount;
    END LOOP;
  END IF;

  -- Decide each operation in order.
  j := 0;
  FOR i IN 1..n LOOP
    IF o_purse[i] <> j THEN
      IF j > 0 THEN
        q_total[j] := v_total;
        q_held[j] := v_held;
        q_entries[j] := v_entries;
      END IF;
      j := o_purse[i];
      v_total := q_total[j];
      v_held := q_held[j];
      v_entries := q_entries[j];
    END IF;
    IF v_total IS NULL THEN
      r_outcome[i] := 5;
    ELSIF r_outcome[i] > 0 THEN
      NULL;
    ELSIF o_kind[i] = 1 THEN
      q_moment[j] := r_moment[i];
      IF v_total - v_held < o_amount[i] THEN
        r_outcome[i] := 3;
        has_refusals := true;
      ELSE
        v_held := v_held + o_amount[i];
      END IF;
    ELSIF v_ended[i] = 0 THEN
      r_outcome[i] := 4;
      has_refusals := true;
    ELSE
      v_held := v_held - v_ended[i];
      q_moment[j] := r_moment[i] + o_span[i] - 1;
      v_amount := r_amount[i];
      IF v_amount > 0 THEN
        v_total := v_total - v_amount;
        v_entries := v_entries + 1;
        v_seq[i] := v_entries;
        q_spent[j] := q_spent[j] + v_amount;
      END IF;
    END IF;
    r_total[i] := v_total;
    r_held[i] := v_held;
    r_owed[i] := q_owed[j];
  END LOOP;
  q_total[j] := v_total;
  q_held[j] := v_held;
  q_entries[j] := v_entries;

  UPDATE balances b
     SET total = x.total, held = x.held, moment = x.moment, entries = x.entries, unattributed = b.unattributed + x.spent
    FROM unnest(p_accounts, p_keys, q_total, q_held, q_moment, q_entries, q_spent)
      AS x (account, key, total, held, moment, entries, spent)
   WHERE b.account_id = x.account AND b.key_number = x.key AND b.moment < x.moment;

  -- A refusal may repeat something that was done: its key, or its hold, remembers.
  IF has_refusals THEN
    FOR r IN
      SELECT x.op, CASE WHEN h.digest = x.digest THEN 1 ELSE 2 END AS outcome, h.moment, h.amount
        FROM unnest(b_op, b_key, b_digest) AS x (op, key, digest)
        JOIN holds h ON h.account_id = p_accounts[o_purse[x.op]] AND h.key = x.key
       WHERE r_outcome[x.op] = 3
      UNION ALL
      SELECT x.op, CASE WHEN h.status = CASE o_kind[x.op] WHEN 2 THEN 'CAPTURED' WHEN 3 THEN 'RELEASED' ELSE 'EXPIRED' END
                         AND (o_kind[x.op] <> 2 OR h.captured = least(o_amount[x.op], h.amount)) THEN 1
                        WHEN h.status IN ('CAPTURED', 'RELEASED') THEN 2 ELSE 4 END,
             coalesce(h.ended_moment, h.moment), h.captured
        FROM unnest(e_op, e_hold) AS x (op, hold)
        JOIN holds h ON h.account_id = p_accounts[o_purse[x.op]] AND h.moment = x.hold AND h.key_number = p_keys[o_purse[x.op]]
       WHERE r_outcome[x.op] = 4
    LOOP
      r_outcome[r.op] := r.outcome;
      r_moment[r.op] := r.moment;
      r_amount[r.op] := r.amount;
    END LOOP;
  END IF;

  IF b_op <> '{}' THEN
    INSERT INTO holds (
      account_id, moment, key_number, api_key_number, amount, expires_at, key, digest,
      model_id, price_id, answer_tokens_max, answer_status, runner)
    SELECT p_accounts[o_purse[x.op]], r_moment[x.op], p_keys[o_purse[x.op]], x.api_key, o_amount[x.op],
           v_now + x.seconds * interval '1 second', x.key, x.digest, x.model, x.price, x.tokens_max, x.status, p_runner
      FROM unnest(b_op, b_seconds, b_api_key, b_key, b_digest, b_model, b_price, b_tokens_max, b_status)
        AS x (op, seconds, api_key, key, digest, model, price, tokens_max, status)
     WHERE r_outcome[x.op] = 0;
    IF has_refusals THEN
      PERFORM record_refusals(p_accounts, p_keys, o_purse, r_outcome, r_moment, b_op, b_api_key, b_model, b_price, v_now);
    END IF;
  END IF;

  IF e_op <> '{}' THEN
    INSERT INTO entries (account_id, moment, key_number, seq, kind, amount, total_after, hold_moment)
    SELECT p_accounts[o_purse[x.op]], r_moment[x.op], p_keys[o_purse[x.op]], v_seq[x.op], 'CHARGE', -r_amount[x.op],
           r_total[x.op], x.hold
      FROM unnest(e_op, e_hold) AS x (op, hold)
     WHERE v_seq[x.op] > 0;
  END IF;

  IF u_op <> '{}' THEN
    INSERT INTO answer_texts (account_id, moment, key_number, text)
    SELECT p_accounts[o_purse[x.op]], x.hold, p_keys[o_purse[x.op]], x.text
      FROM unnest(e_op, e_hold, e_text) AS x (op, hold, text)
     WHERE x.text IS NOT NULL AND r_outcome[x.op] = 0;
    WITH added AS (
      INSERT INTO usage_records (
        account_id, moment, key_number, api_key_number, answer_moment, attempt, outcome, model_id, price_id,
        input_tokens, cached_input_tokens, output_tokens, is_estimated, charged, latency_ms, first_token_ms,
        problem_code, provider_cost)
      SELECT p_accounts[o_purse[x.op]], r_moment[x.op] + x.attempt, p_keys[o_purse[x.op]], v_api_key[x.op],
             x.hold, x.attempt, x.outcome, v_model[x.op], v_price[x.op],
             x.input, x.cached, x.output, x.estimated,
             CASE WHEN x.outcome IN ('SUCCEEDED', 'CANCELED') THEN r_amount[x.op] ELSE 0 END,
             x.latency, x.first, x.problem, x.cost
        FROM unnest(u_op, u_hold, u_attempt, u_outcome, u_input, u_cached, u_output, u_estimated,
                    u_latency, u_first, u_problem, u_cost)
          AS x (op, hold, attempt, outcome, input, cached, output, estimated, latency, first, problem, cost)
       WHERE r_outcome[x.op] = 0
      RETURNING account_id, model_id, api_key_number, outcome, input_tokens, cached_input_tokens, output_tokens,
                charged, latency_ms, first_token_ms, provider_cost)
    INSERT INTO usage_hours AS t (
      account_id, hour, model_id, api_key_number, attempts, succeeded, failed, canceled, refused,
      input_tokens, cached_input_tokens, output_tokens, charged, latency_ms, first_token_ms, provider_cost)
    SELECT account_id, date_trunc('hour', v_now, 'UTC'), model_id, api_key_number, count(*),
           count(*) FILTER (WHERE outcome = 'SUCCEEDED'), count(*) FILTER (WHERE outcome = 'FAILED'),
           count(*) FILTER (WHERE outcome = 'CANCELED'), 0,
           sum(input_tokens), sum(cached_input_tokens), sum(output_tokens), sum(charged),
           coalesce(sum(latency_ms) FILTER (WHERE outcome = 'SUCCEEDED'), 0),
           coalesce(sum(first_token_ms) FILTER (WHERE outcome = 'SUCCEEDED'), 0), coalesce(sum(provider_cost), 0)
      FROM added
     GROUP BY account_id, model_id, api_key_number
     ORDER BY account_id, model_id, api_key_number
    ON CONFLICT (account_id, hour, model_id, api_key_number) DO UPDATE SET
      attempts = t.attempts + excluded.attempts, succeeded = t.succeeded + excluded.succeeded,
      failed = t.failed + excluded.failed, canceled = t.canceled + excluded.canceled,
      input_tokens = t.input_tokens + excluded.input_tokens,
      cached_input_tokens = t.cached_input_tokens + excluded.cached_input_tokens,
      output_tokens = t.output_tokens + excluded.output_tokens, charged = t.charged + excluded.charged,
      latency_ms = t.latency_ms + excluded.latency_ms, first_token_ms = t.first_token_ms + excluded.first_token_ms,
      provider_cost = t.provider_cost + excluded.provider_cost;
  END IF;
END $$
