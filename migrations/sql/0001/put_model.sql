-- Adds a model or changes its settings; null leaves a setting as it is. Making one the default makes
-- the former default an ordinary one. Raises not_null_violation when a new model lacks a setting.
CREATE FUNCTION put_model(
  p_id text, p_name text, p_vendor text, p_upstream text, p_context_window integer, p_tokens_max integer,
  p_is_enabled boolean, p_is_default boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('tallystick.models'));
  IF p_is_default THEN
    UPDATE models SET is_default = false WHERE is_default AND id <> p_id;
  END IF;
  UPDATE models
     SET name = coalesce(p_name, name), vendor = coalesce(p_vendor, vendor),
         upstream_name = coalesce(p_upstream, upstream_name),
         context_window = coalesce(p_context_window, context_window),
         answer_tokens_max = coalesce(p_tokens_max, answer_tokens_max),
         is_enabled = coalesce(p_is_enabled, is_enabled), is_default = coalesce(p_is_default, is_default)
   WHERE id = p_id;
  IF FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO models (id, name, vendor, upstream_name, context_window, answer_tokens_max, is_enabled, is_default)
  VALUES (p_id, p_name, p_vendor, p_upstream, p_context_window, p_tokens_max, p_is_enabled, coalesce(p_is_default, false));
  RETURN true;
END $$
