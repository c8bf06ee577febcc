-- Replaces a model's price from now on, by an administrator; returns the new price's id, or null when
-- there is no such model. Prices of the past stay as they are.
CREATE FUNCTION set_model_price(
  p_model text, p_input bigint, p_cached bigint, p_output bigint, p_per_request bigint, p_summary text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_actor bigint := require_admin();
  v_price bigint;
BEGIN
  PERFORM FROM models WHERE id = p_model FOR UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  INSERT INTO model_prices (
    model_id, input_per_1k, cached_input_per_1k, output_per_1k, per_request,
    provider_input_per_1m, provider_cached_input_per_1m, provider_output_per_1m)
  SELECT p_model, p_input, p_cached, p_output, p_per_request,
         q.provider_input_per_1m, q.provider_cached_input_per_1m, q.provider_output_per_1m
    FROM (SELECT max(id) AS id FROM model_prices WHERE model_id = p_model) newest
    LEFT JOIN model_prices q USING (id)
  RETURNING id INTO v_price;
  INSERT INTO audit_entries (actor_id, action, target_id, summary)
  VALUES (v_actor, 'setModelPrice', p_model, p_summary);
  RETURN v_price;
END $$
