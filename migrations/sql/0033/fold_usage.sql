-- Adds usage records to the cells, in the order of their moments: at most p_records_max of them, and
-- none at or after a horizon that usage_horizon() gave, which spared so much. Returns how many; null
-- when somebody else is at it. Cells and mark change in one commit, so that nothing is counted twice.
-- What is newest is in no statistics: the planner takes it for one row, and must not plan for one.
CREATE OR REPLACE FUNCTION fold_usage(p_horizon bigint, p_spared bigint, p_records_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp SET work_mem = '64MB' SET jit = off SET enable_seqscan = off SET enable_nestloop = off AS $$
DECLARE
  v_clock CONSTANT bigint := (date_part('epoch', clock_timestamp()) * 1000000)::bigint - p_spared;
  v_mark bigint;
  v_end bigint;
  v_width bigint := 60000000;
  v_next bigint;
  v_folded bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(20, 2) THEN
    RETURN NULL;
  END IF;
  SELECT moment INTO v_mark FROM fold_mark;
  IF v_clock < v_mark THEN
    -- The clock was put back: records may have come, and may yet come, before the mark.
    PERFORM unfold_usage(v_clock);
    SELECT moment INTO v_mark FROM fold_mark;
  END IF;
  IF v_mark = 0 THEN
    -- A history that was written at once, or restored, has no summaries of its pages yet.
    PERFORM brin_summarize_new_values(inhrelid) FROM pg_inherits WHERE inhparent = 'usage_records_by_time'::regclass;
    SELECT coalesce(min(moment), p_horizon) INTO v_mark FROM usage_records WHERE moment < p_horizon;
  END IF;
  IF v_mark >= p_horizon THEN
    RETURN 0;
  END IF;

  -- There is no index in the order of time: windows are widened until one has enough.
  LOOP
    v_end := least(v_mark + v_width, p_horizon);
    SELECT moment INTO v_next FROM usage_records
     WHERE moment >= v_mark AND moment < v_end ORDER BY moment OFFSET p_records_max LIMIT 1;
    IF FOUND THEN
      v_end := greatest(v_next, v_mark + 1);
    END IF;
    EXIT WHEN FOUND OR v_end = p_horizon;
    v_width := v_width * 4;
  END LOOP;

  WITH taken AS MATERIALIZED (
    SELECT account_id, moment, model_id, api_key_number, outcome, input_tokens, output_tokens, charged,
           coalesce(provider_cost, 0) AS provider_cost, s.latency_ms, s.first_token_ms,
           CASE WHEN s.latency_ms < 1 THEN 0 ELSE 1 + ceil(ln(s.latency_ms::float8) / ln(1.05 / 0.95)) END::smallint AS latency_bin,
           CASE WHEN s.first_token_ms < 1 THEN 0 ELSE 1 + ceil(ln(s.first_token_ms::float8) / ln(1.05 / 0.95)) END::smallint AS first_token_bin
      FROM usage_records u
     CROSS JOIN LATERAL (SELECT CASE outcome WHEN 'SUCCEEDED' THEN u.latency_ms END AS latency_ms,
                                CASE outcome WHEN 'SUCCEEDED' THEN u.first_token_ms END AS first_token_ms) s
     WHERE moment >= v_mark AND moment < v_end),
  placed AS MATERIALIZED (
    SELECT c.account, c.minutes, t.moment - t.moment % (c.minutes * 60000000::bigint) AS cell, t.model_id AS model, c.key, t.outcome,
           t.input_tokens, t.output_tokens, t.charged, t.provider_cost, t.latency_ms, t.first_token_ms, t.latency_bin, t.first_token_bin
      FROM taken t
     CROSS JOIN LATERAL (VALUES
       (t.account_id, 15::smallint, t.api_key_number), (t.account_id, 60, t.api_key_number), (t.account_id, 1440, t.api_key_number),
       (0, 15, least(t.api_key_number, 1)), (0, 60, least(t.api_key_number, 1)), (0, 1440, least(t.api_key_number, 1))
     ) c (account, minutes, key)),
  added AS MATERIALIZED (
    SELECT account, minutes, cell, model, key, outcome, count(*) AS attempts, sum(input_tokens) AS input_tokens,
           sum(output_tokens) AS output_tokens, sum(charged) AS charged, sum(provider_cost) AS provider_cost,
           coalesce(sum(latency_ms), 0) AS latency_ms, coalesce(sum(first_token_ms), 0) AS first_token_ms
      FROM placed
     GROUP BY account, minutes, cell, model, key, outcome),
  there AS (  -- cells that begin at or after the mark are new
    SELECT f.*
      FROM added a
     CROSS JOIN LATERAL (
           SELECT * FROM usage_folds f
            WHERE f.account_id = a.account AND f.minutes = a.minutes AND f.moment = a.cell AND f.model_id = a.model
              AND f.api_key_number = a.key AND f.outcome = a.outcome OFFSET 0) f
     WHERE a.outcome = 'SUCCEEDED' AND a.cell < v_mark),
  bins AS (
    SELECT account, minutes, cell, model, key, outcome, is_first, bin, sum(count) AS count
      FROM (SELECT account, minutes, cell, model, key, outcome, false AS is_first, latency_bin AS bin, 1 AS count
              FROM placed WHERE latency_bin IS NOT NULL
            UNION ALL
            SELECT account, minutes, cell, model, key, outcome, true, first_token_bin, 1 FROM placed WHERE first_token_bin IS NOT NULL
            UNION ALL
            SELECT account_id, minutes, moment, model_id, api_key_number, outcome, false, unnest(latency_bins), unnest(latency_counts)
              FROM there
            UNION ALL
            SELECT account_id, minutes, moment, model_id, api_key_number, outcome, true, unnest(first_token_bins), unnest(first_token_counts)
              FROM there) x
     GROUP BY account, minutes, cell, model, key, outcome, is_first, bin),
  histograms AS (
    SELECT account, minutes, cell, model, key, outcome,
           array_agg(bin ORDER BY bin) FILTER (WHERE NOT is_first) AS latency_bins,
           array_agg(count ORDER BY bin) FILTER (WHERE NOT is_first) AS latency_counts,
           array_agg(bin ORDER BY bin) FILTER (WHERE is_first) AS first_token_bins,
           array_agg(count ORDER BY bin) FILTER (WHERE is_first) AS first_token_counts
      FROM bins
     GROUP BY account, minutes, cell, model, key, outcome),
  kept AS (
    INSERT INTO usage_folds AS f (
      account_id, minutes, moment, model_id, api_key_number, outcome, attempts, input_tokens, output_tokens, charged,
      provider_cost, latency_ms, latency_bins, latency_counts, first_token_ms, first_token_bins, first_token_counts)
    SELECT account, minutes, cell, model, key, outcome, attempts, input_tokens, output_tokens, charged, provider_cost,
           latency_ms, coalesce(latency_bins, '{}'), coalesce(latency_counts, '{}'),
           first_token_ms, coalesce(first_token_bins, '{}'), coalesce(first_token_counts, '{}')
      FROM added LEFT JOIN histograms USING (account, minutes, cell, model, key, outcome)
    ON CONFLICT (account_id, minutes, moment, model_id, api_key_number, outcome) DO UPDATE SET
      attempts = f.attempts + excluded.attempts, input_tokens = f.input_tokens + excluded.input_tokens,
      output_tokens = f.output_tokens + excluded.output_tokens, charged = f.charged + excluded.charged,
      provider_cost = f.provider_cost + excluded.provider_cost,
      latency_ms = f.latency_ms + excluded.latency_ms,
      latency_bins = excluded.latency_bins, latency_counts = excluded.latency_counts,
      first_token_ms = f.first_token_ms + excluded.first_token_ms,
      first_token_bins = excluded.first_token_bins, first_token_counts = excluded.first_token_counts)
  SELECT count(*) INTO v_folded FROM taken;
  UPDATE fold_mark SET moment = v_end;
  RETURN v_folded;
END $$
