-- An answer that a process has yet to run, under the terms of its hold: the most that it costs, and the
-- price and the longest answer which that was computed from. Nothing when it is not the process's, or over.
CREATE FUNCTION held_answer(p_runner uuid, p_account bigint, p_key_number integer, p_moment bigint)
RETURNS TABLE (
  amount bigint, tokens_max integer, model_id text, name text, vendor text, upstream_name text, context_window integer,
  answer_tokens_max integer, price_id bigint, input_per_1k bigint, cached_input_per_1k bigint, output_per_1k bigint,
  per_request bigint, provider_input_per_1m bigint, provider_cached_input_per_1m bigint, provider_output_per_1m bigint,
  effective_from timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT h.amount, h.answer_tokens_max, m.id, m.name, m.vendor, m.upstream_name, m.context_window, m.answer_tokens_max,
         p.id, p.input_per_1k, p.cached_input_per_1k, p.output_per_1k, p.per_request,
         p.provider_input_per_1m, p.provider_cached_input_per_1m, p.provider_output_per_1m, p.effective_from
    FROM holds h
    JOIN models m ON m.id = h.model_id
    JOIN model_prices p ON p.id = h.price_id
   WHERE h.account_id = p_account AND h.moment = p_moment AND h.key_number = p_key_number
     AND h.ended_moment IS NULL AND h.runner = p_runner AND h.expires_at > clock_timestamp()
$$
