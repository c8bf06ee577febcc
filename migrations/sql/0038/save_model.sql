-- An administrator adds a model, with the price it then needs, or changes one's settings. The default
-- model stays one until another is made it: raises object_not_in_prerequisite_state.
CREATE FUNCTION save_model(
  p_id text, p_name text, p_vendor text, p_upstream text, p_context_window integer, p_tokens_max integer,
  p_is_enabled boolean, p_is_default boolean,
  p_input bigint, p_cached bigint, p_output bigint, p_per_request bigint, p_summary text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_actor bigint := require_admin();
  v_is_new boolean;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('tallystick.models'));
  IF p_is_default = false AND EXISTS (SELECT FROM models WHERE id = p_id AND is_default) THEN
    RAISE EXCEPTION 'one model has to be the default' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  v_is_new := put_model(p_id, p_name, p_vendor, p_upstream, p_context_window, p_tokens_max, p_is_enabled, p_is_default);
  IF p_input IS NOT NULL THEN
    PERFORM set_model_price(p_id, p_input, p_cached, p_output, p_per_request, p_summary);
  ELSIF v_is_new THEN
    RAISE EXCEPTION 'a new model needs a price' USING ERRCODE = 'not_null_violation';
  END IF;
  INSERT INTO audit_entries (actor_id, action, target_id, summary) VALUES (v_actor, 'saveModel', p_id, p_summary);
  RETURN v_is_new;
END $$
