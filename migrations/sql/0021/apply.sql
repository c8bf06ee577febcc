-- One batch of the hot path as it usually is: every hold fits and every hold to end is open. One call
-- is one commit. Raises serialization_failure (some purse needs more thought: credits short, owed or
-- due to expire, no such purse; a key's budget is short; or a hold is not open, or smaller than its
-- charge) or unique_violation (an idempotency key was used before), which undo everything; the writer
-- then calls apply_carefully() with the same arguments.
--
-- Numbers travel as one array a kind of row, row after row: decoding a value costs more than using it.
-- A null is -1; what is a word is its place in p_words, and no word is 0.
--   p_purses    6 a purse: account, key number; in sum, what the batch holds and spends of it, and how
--               many entries and moments it gives it. Purses come once each, sorted: balances are locked
--               in that order, so that batches of several processes cannot deadlock.
--   p_endings  11 a hold to end: purse (its row, from 0), moment counted from the first of its purse,
--               the hold, kind, cost, entries of the purse after it and its spending with it, counted
--               from the batch's start, attempts, the words for finish reason and failure, and what
--               was held (believed only if it is true).
--   p_takings   9 a hold to take: purse, moment as above, amount, seconds, API key, word for the model,
--               price, most tokens, whether it is only queued; its key and digest are in p_keys.
--   p_attempts 11 an attempt at a provider: its ending (its row, from 0), and what is recorded of it.
-- p_texts has the text of each ending, or is empty. Endings are decided first, then takings.
--
-- Returned are, one after the other, for each purse: its first moment, total and held as they were.
CREATE OR REPLACE FUNCTION apply(
  p_runner uuid, p_words text[], p_purses bigint[], p_endings bigint[], p_texts text[], p_takings bigint[], p_keys uuid[],
  p_attempts bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_purses CONSTANT integer := cardinality(p_purses) / 6;
  v_endings CONSTANT integer := cardinality(p_endings) / 11;
  v_takings CONSTANT integer := cardinality(p_takings) / 9;
  v_now timestamptz;
  v_place integer;
  q_freed bigint[] := array_fill(0::bigint, ARRAY[v_purses]);
  q_first bigint[];
  q_total bigint[];
  q_held bigint[];
  q_entries bigint[];
  e_api_key integer[];
  e_model text[];
  e_price bigint[];
BEGIN
  FOR i IN 1..v_endings LOOP
    v_place := p_endings[i * 11 - 10] + 1;
    q_freed[v_place] := q_freed[v_place] + p_endings[i * 11];
  END LOOP;

  IF p_attempts <> '{}' THEN
    PERFORM pg_advisory_xact_lock_shared(20, 1);  -- see usage_horizon()
  END IF;
  v_now := clock_timestamp();
  WITH changed AS (
    UPDATE balances b
       SET total = b.total - x.spent, held = b.held - x.freed + x.wanted, entries = b.entries + x.lines,
           unattributed = b.unattributed + x.spent,
           moment = greatest(b.moment + 1, (date_part('epoch', v_now) * 1000000)::bigint) + x.span - 1
      FROM (SELECT i, p_purses[i * 6 + 1] AS account, p_purses[i * 6 + 2]::integer AS key, p_purses[i * 6 + 3] AS wanted,
                   p_purses[i * 6 + 4] AS spent, p_purses[i * 6 + 5] AS lines, p_purses[i * 6 + 6] AS span,
                   q_freed[i + 1] AS freed
              FROM generate_series(0, v_purses - 1) i OFFSET 0) x
     WHERE b.account_id = ANY (ARRAY[x.account]) AND b.key_number = x.key
       AND b.total - x.spent - (b.held - x.freed) >= x.wanted AND b.held >= x.freed AND b.owed = 0
       AND (b.next_expiry IS NULL OR b.next_expiry > clock_timestamp())
    RETURNING x.i, b.moment - x.span + 1 AS first, b.total + x.spent AS total, b.held + x.freed - x.wanted AS held,
              b.entries - x.lines AS entries)
  SELECT array_agg(first ORDER BY i), array_agg(total ORDER BY i), array_agg(held ORDER BY i), array_agg(entries ORDER BY i)
    INTO q_first, q_total, q_held, q_entries
    FROM changed;
  IF cardinality(q_first) IS DISTINCT FROM v_purses THEN
    RAISE EXCEPTION 'a purse needs more thought' USING ERRCODE = 'serialization_failure';
  END IF;

  IF v_endings > 0 THEN
    WITH ended AS (
      UPDATE holds h
         SET status = CASE x.kind WHEN 2 THEN 'CAPTURED' ELSE 'RELEASED' END, captured = x.cost,
             ended_moment = q_first[x.purse + 1] + x.at, attempts = x.attempts, finish_reason = x.finish, failure = x.failure
        FROM (SELECT i, p_endings[i * 11 + 1] AS purse, p_endings[i * 11 + 2] AS at, p_endings[i * 11 + 3] AS hold,
                     p_endings[i * 11 + 4] AS kind, p_endings[i * 11 + 5] AS cost, p_endings[i * 11 + 8]::smallint AS attempts,
                     p_words[p_endings[i * 11 + 9]] AS finish, p_words[p_endings[i * 11 + 10]] AS failure,
                     p_endings[i * 11 + 11] AS held
                FROM generate_series(0, v_endings - 1) i OFFSET 0) x
       WHERE h.account_id = ANY (ARRAY[p_purses[x.purse * 6 + 1]]) AND h.moment = x.hold
         AND h.key_number = p_purses[x.purse * 6 + 2] AND h.ended_moment IS NULL AND h.amount = x.held AND x.held >= x.cost
      RETURNING x.i, h.api_key_number, h.model_id, h.price_id)
    SELECT array_agg(api_key_number ORDER BY i), array_agg(model_id ORDER BY i), array_agg(price_id ORDER BY i)
      INTO e_api_key, e_model, e_price
      FROM ended;
    IF cardinality(e_api_key) IS DISTINCT FROM v_endings THEN
      RAISE EXCEPTION 'a hold to end is not open, or not as large as was said' USING ERRCODE = 'serialization_failure';
    END IF;
    IF 0 < ANY (e_api_key) THEN
      PERFORM return_budgets(
        array_agg(p_purses[p_endings[i * 11 + 1] * 6 + 1] ORDER BY i), e_api_key, column_of(p_endings, 11, 11), column_of(p_endings, 11, 5),
        array_agg(q_first[p_endings[i * 11 + 1] + 1] + p_endings[i * 11 + 2] + p_endings[i * 11 + 8] ORDER BY i))
         FROM generate_series(0, v_endings - 1) i;
    END IF;
    INSERT INTO entries (account_id, moment, key_number, seq, kind, amount, total_after, hold_moment)
    SELECT p_purses[x.purse * 6 + 1], q_first[x.purse + 1] + x.at, p_purses[x.purse * 6 + 2], q_entries[x.purse + 1] + x.line,
           'CHARGE', -x.cost, q_total[x.purse + 1] - x.through, x.hold
      FROM (SELECT p_endings[i * 11 + 1] AS purse, p_endings[i * 11 + 2] AS at, p_endings[i * 11 + 3] AS hold,
                   p_endings[i * 11 + 5] AS cost, p_endings[i * 11 + 6] AS line, p_endings[i * 11 + 7] AS through
              FROM generate_series(0, v_endings - 1) i OFFSET 0) x
     WHERE x.cost > 0;
  END IF;

  IF v_takings > 0 THEN
    IF EXISTS (SELECT FROM generate_series(5, v_takings * 9, 9) i WHERE p_takings[i] > 0) AND NOT (
         SELECT take_budgets(array_agg(p_purses[p_takings[i * 9 + 1] * 6 + 1] ORDER BY i), column_of(p_takings, 9, 5)::integer[],
                             column_of(p_takings, 9, 3), array_agg(q_first[p_takings[i * 9 + 1] + 1] + p_takings[i * 9 + 2] ORDER BY i))
           FROM generate_series(0, v_takings - 1) i) THEN
      RAISE EXCEPTION 'a key''s budget does not cover its holds' USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO holds (
      account_id, moment, key_number, api_key_number, amount, expires_at, key, digest,
      model_id, price_id, answer_tokens_max, runner)
    SELECT p_purses[x.purse * 6 + 1], q_first[x.purse + 1] + x.at, p_purses[x.purse * 6 + 2], x.api_key, x.amount,
           v_now + x.seconds * interval '1 second', x.key, x.digest, p_words[x.model], nullif(x.price, -1),
           nullif(x.tokens_max, -1), CASE WHEN x.is_queued = 0 THEN p_runner END
      FROM (SELECT p_takings[i * 9 + 1] AS purse, p_takings[i * 9 + 2] AS at, p_takings[i * 9 + 3] AS amount,
                   p_takings[i * 9 + 4] AS seconds, p_takings[i * 9 + 5] AS api_key, p_takings[i * 9 + 6] AS model,
                   p_takings[i * 9 + 7] AS price, p_takings[i * 9 + 8] AS tokens_max, p_takings[i * 9 + 9] AS is_queued,
                   p_keys[i * 2 + 1] AS key, p_keys[i * 2 + 2] AS digest
              FROM generate_series(0, v_takings - 1) i OFFSET 0) x;
  END IF;

  IF p_attempts <> '{}' OR p_texts <> '{}' THEN
    PERFORM record_attempts(p_words, p_purses, q_first, p_endings, NULL, e_api_key, e_model, e_price, p_texts, p_attempts);
  END IF;
  RETURN q_first || q_total || q_held;
END $$
