-- One batch of the hot path whatever it holds: the same arguments, order and commit as apply(), with an
-- outcome for each operation. What is due of its purses is booked first, and again between ends and new
-- holds; keys and holds that were used before are looked up; the rest is decided one operation after the
-- other.
--
-- Kinds of ends: 2 capture (at most the hold; the rest goes back), 3 release, 4 expire (release if its
-- time is over). Outcomes: 0 done, 1 replayed (with the first effect's moment and amount), 2 conflict
-- (key or hold used otherwise), 3 insufficient, 4 no such open hold, 5 no such purse, 6 the API key's
-- budget is short.
--
-- Returned are, one after the other, six numbers of every operation, ends first: outcomes, moments,
-- amounts (held, or charged), and total, held and owed of its purse right after it.
CREATE OR REPLACE FUNCTION apply_carefully(
  p_runner uuid, p_words text[], p_purses bigint[], p_endings bigint[], p_texts text[], p_takings bigint[], p_keys uuid[],
  p_attempts bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  p_account CONSTANT bigint[] := column_of(p_purses, 6, 1);
  p_key CONSTANT integer[] := column_of(p_purses, 6, 2);
  e_purse CONSTANT integer[] := (SELECT coalesce(array_agg(p_endings[i] + 1 ORDER BY i), '{}') FROM generate_series(1, cardinality(p_endings), 11) i);
  e_at CONSTANT bigint[] := column_of(p_endings, 11, 2);
  e_hold CONSTANT bigint[] := column_of(p_endings, 11, 3);
  e_kind CONSTANT bigint[] := column_of(p_endings, 11, 4);
  e_cost CONSTANT bigint[] := column_of(p_endings, 11, 5);
  e_attempts CONSTANT smallint[] := column_of(p_endings, 11, 8);
  e_finish CONSTANT text[] := words_of(p_words, p_endings, 11, 9);
  e_failure CONSTANT text[] := words_of(p_words, p_endings, 11, 10);
  b_purse CONSTANT integer[] := (SELECT coalesce(array_agg(p_takings[i] + 1 ORDER BY i), '{}') FROM generate_series(1, cardinality(p_takings), 9) i);
  b_at CONSTANT bigint[] := column_of(p_takings, 9, 2);
  b_amount CONSTANT bigint[] := column_of(p_takings, 9, 3);
  b_seconds CONSTANT bigint[] := column_of(p_takings, 9, 4);
  b_api_key CONSTANT integer[] := column_of(p_takings, 9, 5);
  b_model CONSTANT text[] := words_of(p_words, p_takings, 9, 6);
  b_price CONSTANT bigint[] := column_of(p_takings, 9, 7);
  b_tokens_max CONSTANT integer[] := column_of(p_takings, 9, 8);
  b_is_queued CONSTANT bigint[] := column_of(p_takings, 9, 9);
  b_key CONSTANT uuid[] := (SELECT coalesce(array_agg(p_keys[i] ORDER BY i), '{}') FROM generate_series(1, cardinality(p_keys), 2) i);
  b_digest CONSTANT uuid[] := (SELECT coalesce(array_agg(p_keys[i] ORDER BY i), '{}') FROM generate_series(2, cardinality(p_keys), 2) i);
  v_ends CONSTANT integer := cardinality(e_purse);
  v_operations CONSTANT integer := v_ends + cardinality(b_purse);
  v_zeros CONSTANT bigint[] := array_fill(0::bigint, ARRAY[v_operations]);
  v_no_purses CONSTANT bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_account)]);
  v_now timestamptz;
  v_clock bigint;
  q_due integer[];
  q_first bigint[];
  q_next bigint[];
  q_last bigint[];
  q_total bigint[];
  q_held bigint[];
  q_owed bigint[];
  q_entries bigint[];
  q_spent bigint[] := v_no_purses;
  e_amount bigint[] := array_fill(NULL::bigint, ARRAY[v_ends]);
  e_charged bigint[] := array_fill(0::bigint, ARRAY[v_ends]);
  e_seq bigint[] := array_fill(0::bigint, ARRAY[v_ends]);
  e_api_key integer[] := array_fill(NULL::integer, ARRAY[v_ends]);
  e_model text[] := array_fill(NULL::text, ARRAY[v_ends]);
  e_price bigint[] := array_fill(NULL::bigint, ARRAY[v_ends]);
  r_outcome bigint[] := v_zeros;
  r_moment bigint[] := v_zeros;
  r_amount bigint[] := v_zeros;
  r_total bigint[] := v_zeros;
  r_held bigint[] := v_zeros;
  r_owed bigint[] := v_zeros;
  j integer;
  k integer;
  r record;
BEGIN
  -- Lock the balances in order, book what is due, and read them.
  SELECT array_agg(l.place) FILTER (WHERE l.owed > 0 OR l.next_expiry <= clock_timestamp()) INTO q_due
    FROM (SELECT x.place, b.owed, b.next_expiry
            FROM (SELECT generate_subscripts(p_account, 1) AS place, unnest(p_account) AS account, unnest(p_key) AS key) x
            JOIN balances b ON b.account_id = ANY (ARRAY[x.account]) AND b.key_number = x.key
           ORDER BY x.place
             FOR NO KEY UPDATE OF b) l;
  FOREACH j IN ARRAY coalesce(q_due, '{}') LOOP
    PERFORM settle_purse(p_account[j], p_key[j]);
  END LOOP;
  PERFORM pg_advisory_xact_lock_shared(20, 1);  -- see usage_horizon()
  v_now := clock_timestamp();
  v_clock := (date_part('epoch', v_now) * 1000000)::bigint;
  SELECT array_agg(CASE WHEN b.moment IS NOT NULL THEN greatest(b.moment + 1, v_clock) END ORDER BY x.place),
         array_agg(b.moment ORDER BY x.place),
         array_agg(coalesce(b.total, 0) ORDER BY x.place), array_agg(coalesce(b.held, 0) ORDER BY x.place),
         array_agg(coalesce(b.owed, 0) ORDER BY x.place), array_agg(coalesce(b.entries, 0) ORDER BY x.place)
    INTO q_first, q_last, q_total, q_held, q_owed, q_entries
    FROM (SELECT generate_subscripts(p_account, 1) AS place, unnest(p_account) AS account, unnest(p_key) AS key) x
    LEFT JOIN balances b ON b.account_id = ANY (ARRAY[x.account]) AND b.key_number = x.key;

  -- End the holds that end here, each at most once. Open is said as "has no end", which is exact.
  FOR r IN
    UPDATE holds h
       SET status = CASE x.kind WHEN 2 THEN 'CAPTURED' WHEN 3 THEN 'RELEASED' ELSE 'EXPIRED' END,
           captured = CASE x.kind WHEN 2 THEN least(x.cost, h.amount) ELSE 0 END,
           ended_moment = q_first[x.purse] + x.at, attempts = x.attempts, finish_reason = x.finish, failure = x.failure
      FROM (SELECT generate_subscripts(e_purse, 1) AS place, unnest(e_purse) AS purse, unnest(e_at) AS at,
                   unnest(e_hold) AS hold, unnest(e_kind) AS kind, unnest(e_cost) AS cost,
                   unnest(e_attempts) AS attempts, unnest(e_finish) AS finish, unnest(e_failure) AS failure) x
     WHERE h.account_id = ANY (ARRAY[p_account[x.purse]]) AND h.moment = x.hold AND h.key_number = p_key[x.purse]
       AND h.ended_moment IS NULL AND (x.kind < 4 OR h.expires_at <= v_now)
    RETURNING x.place, h.amount, h.captured, h.api_key_number, h.model_id, h.price_id
  LOOP
    e_amount[r.place] := r.amount;
    e_charged[r.place] := r.captured;
    e_api_key[r.place] := r.api_key_number;
    e_model[r.place] := r.model_id;
    e_price[r.place] := r.price_id;
  END LOOP;

  FOR i IN 1..v_ends LOOP
    j := e_purse[i];
    r_moment[i] := q_first[j] + e_at[i];
    IF q_first[j] IS NULL THEN
      r_outcome[i] := 5;
    ELSIF e_amount[i] IS NULL THEN
      r_outcome[i] := 4;
    ELSE
      r_amount[i] := e_charged[i];
      q_held[j] := q_held[j] - e_amount[i];
      q_last[j] := r_moment[i] + e_attempts[i];
      IF e_charged[i] > 0 THEN
        q_total[j] := q_total[j] - e_charged[i];
        q_entries[j] := q_entries[j] + 1;
        q_spent[j] := q_spent[j] + e_charged[i];
        e_seq[i] := q_entries[j];
      END IF;
    END IF;
    r_total[i] := q_total[j];
    r_held[i] := q_held[j];
    r_owed[i] := q_owed[j];
  END LOOP;

  IF 0 < ANY (e_api_key) THEN
    PERFORM return_budgets(array_agg(p_account[x.purse]), e_api_key, e_amount, e_charged, array_agg(r_moment[x.place] + x.attempts))
       FROM (SELECT generate_subscripts(e_purse, 1) AS place, unnest(e_purse) AS purse, unnest(e_attempts) AS attempts) x;
  END IF;

  -- Credits that come free here and have lapsed, or are owed, are gone before anything is held of them.
  q_next := q_first;
  FOREACH j IN ARRAY coalesce(q_due, '{}') LOOP
    CONTINUE WHEN j <> ALL (b_purse);
    UPDATE balances b
       SET total = q_total[j], held = q_held[j], moment = q_last[j], entries = q_entries[j],
           unattributed = b.unattributed + q_spent[j]
     WHERE b.account_id = p_account[j] AND b.key_number = p_key[j] AND b.moment < q_last[j];
    CONTINUE WHEN NOT FOUND;
    PERFORM settle_purse(p_account[j], p_key[j]);
    SELECT b.total, b.held, b.owed, b.entries, b.moment INTO STRICT r FROM balances b
     WHERE b.account_id = p_account[j] AND b.key_number = p_key[j];
    q_total[j] := r.total;
    q_held[j] := r.held;
    q_owed[j] := r.owed;
    q_entries[j] := r.entries;
    q_last[j] := r.moment;
    q_next[j] := r.moment + 1;
    q_spent[j] := 0;
  END LOOP;

  -- What was done before answers from memory: its key, or its hold, remembers.
  FOR r IN
    SELECT v_ends + x.place AS place, CASE WHEN h.digest = x.digest AND h.key_number = p_key[x.purse] THEN 1 ELSE 2 END AS outcome,
           h.moment, h.amount
      FROM (SELECT generate_subscripts(b_purse, 1) AS place, unnest(b_purse) AS purse, unnest(b_key) AS key,
                   unnest(b_digest) AS digest) x
      JOIN holds h ON h.key = ANY (ARRAY[x.key]) AND h.account_id = p_account[x.purse]
    UNION ALL
    SELECT x.place, CASE WHEN h.status = CASE x.kind WHEN 2 THEN 'CAPTURED' WHEN 3 THEN 'RELEASED' ELSE 'EXPIRED' END
                          AND (x.kind <> 2 OR h.captured = least(x.cost, h.amount)) THEN 1
                         WHEN h.status IN ('CAPTURED', 'RELEASED') THEN 2 ELSE 4 END,
           coalesce(h.ended_moment, h.moment), h.captured
      FROM (SELECT generate_subscripts(e_purse, 1) AS place, unnest(e_purse) AS purse, unnest(e_hold) AS hold,
                   unnest(e_kind) AS kind, unnest(e_cost) AS cost) x
      JOIN holds h ON h.account_id = ANY (ARRAY[p_account[x.purse]]) AND h.moment = x.hold AND h.key_number = p_key[x.purse]
     WHERE r_outcome[x.place] = 4
  LOOP
    r_outcome[r.place] := r.outcome;
    r_moment[r.place] := r.moment;
    r_amount[r.place] := r.amount;
  END LOOP;

  FOR i IN 1..cardinality(b_purse) LOOP
    j := b_purse[i];
    k := v_ends + i;
    IF q_first[j] IS NULL THEN
      r_outcome[k] := 5;
    ELSIF r_outcome[k] = 0 THEN
      r_moment[k] := q_next[j] + b_at[i];
      r_amount[k] := b_amount[i];
      q_last[j] := r_moment[k];
      IF q_total[j] - q_held[j] < b_amount[i] THEN
        r_outcome[k] := 3;
      ELSIF b_api_key[i] > 0 AND NOT take_budgets(ARRAY[p_account[j]], ARRAY[b_api_key[i]], ARRAY[b_amount[i]], ARRAY[r_moment[k]]) THEN
        r_outcome[k] := 6;
      ELSE
        q_held[j] := q_held[j] + b_amount[i];
      END IF;
    END IF;
    r_total[k] := q_total[j];
    r_held[k] := q_held[j];
    r_owed[k] := q_owed[j];
  END LOOP;

  UPDATE balances b
     SET total = x.total, held = x.held, moment = x.last, entries = x.entries, unattributed = b.unattributed + x.spent
    FROM (SELECT unnest(p_account) AS account, unnest(p_key) AS key, unnest(q_total) AS total, unnest(q_held) AS held,
                 unnest(q_last) AS last, unnest(q_entries) AS entries, unnest(q_spent) AS spent) x
   WHERE b.account_id = ANY (ARRAY[x.account]) AND b.key_number = x.key AND b.moment < x.last;

  INSERT INTO holds (
    account_id, moment, key_number, api_key_number, amount, expires_at, key, digest,
    model_id, price_id, answer_tokens_max, runner)
  SELECT p_account[x.purse], r_moment[v_ends + x.place], p_key[x.purse], x.api_key, x.amount,
         v_now + x.seconds * interval '1 second', x.key, x.digest, x.model, x.price, x.tokens_max,
         CASE WHEN x.is_queued = 0 THEN p_runner END
    FROM (SELECT generate_subscripts(b_purse, 1) AS place, unnest(b_purse) AS purse, unnest(b_amount) AS amount,
                 unnest(b_seconds) AS seconds, unnest(b_api_key) AS api_key, unnest(b_key) AS key,
                 unnest(b_digest) AS digest, unnest(b_model) AS model, unnest(b_price) AS price,
                 unnest(b_tokens_max) AS tokens_max, unnest(b_is_queued) AS is_queued) x
   WHERE r_outcome[v_ends + x.place] = 0;
  PERFORM record_refusals(p_account, p_key, v_ends, r_outcome, r_moment, b_purse, b_api_key, b_model, b_price);

  INSERT INTO entries (account_id, moment, key_number, seq, kind, amount, total_after, hold_moment)
  SELECT p_account[x.purse], r_moment[x.place], p_key[x.purse], x.seq, 'CHARGE', -x.charged, r_total[x.place], x.hold
    FROM (SELECT generate_subscripts(e_purse, 1) AS place, unnest(e_purse) AS purse, unnest(e_hold) AS hold,
                 unnest(e_charged) AS charged, unnest(e_seq) AS seq) x
   WHERE x.seq > 0;
  PERFORM record_attempts(
    p_words, p_purses, q_first, p_endings, e_charged, e_api_key, e_model, e_price, p_texts, p_attempts);
  RETURN r_outcome || r_moment || r_amount || r_total || r_held || r_owed;
END $$
