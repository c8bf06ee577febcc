-- Gives a process the oldest answers that wait, with all it takes to run them, under the price they
-- were held for. Each is given once: rows that another claim works on are passed over, and the question
-- goes with the answer. Their holds last p_seconds from now.
CREATE FUNCTION claim_answers(p_runner uuid, p_limit integer, p_seconds integer)
RETURNS TABLE (
  account_id bigint, key_number integer, moment bigint, question text, amount bigint, api_key_number integer,
  tokens_max integer, model_id text, name text, vendor text, upstream_name text, context_window integer,
  answer_tokens_max integer, price_id bigint, input_per_1k bigint, cached_input_per_1k bigint, output_per_1k bigint,
  per_request bigint, provider_input_per_1m bigint, provider_cached_input_per_1m bigint, provider_output_per_1m bigint,
  effective_from timestamptz)
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  WITH chosen AS (
    SELECT q.account_id, q.moment, q.key_number, q.question
      FROM waiting_questions q
      JOIN holds h USING (account_id, moment, key_number)
     WHERE h.ended_moment IS NULL AND h.runner IS NULL AND h.expires_at > clock_timestamp()
     ORDER BY q.moment
     LIMIT p_limit
       FOR UPDATE OF q, h SKIP LOCKED),
  taken AS (
    DELETE FROM waiting_questions q USING chosen c
     WHERE q.account_id = c.account_id AND q.moment = c.moment AND q.key_number = c.key_number),
  claimed AS (
    UPDATE holds h SET runner = p_runner, expires_at = clock_timestamp() + p_seconds * interval '1 second'
      FROM chosen c
     WHERE h.account_id = c.account_id AND h.moment = c.moment AND h.key_number = c.key_number
    RETURNING h.account_id, h.key_number, h.moment, c.question, h.amount, h.api_key_number, h.answer_tokens_max,
              h.model_id, h.price_id)
  SELECT c.account_id, c.key_number, c.moment, c.question, c.amount, c.api_key_number, c.answer_tokens_max,
         m.id, m.name, m.vendor, m.upstream_name, m.context_window, m.answer_tokens_max,
         p.id, p.input_per_1k, p.cached_input_per_1k, p.output_per_1k, p.per_request,
         p.provider_input_per_1m, p.provider_cached_input_per_1m, p.provider_output_per_1m, p.effective_from
    FROM claimed c
    JOIN models m ON m.id = c.model_id
    JOIN model_prices p ON p.id = c.price_id
   ORDER BY c.moment
$$
