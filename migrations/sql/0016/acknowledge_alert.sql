-- An administrator has seen an alert; saying so again changes nothing. False when there is none.
CREATE FUNCTION acknowledge_alert(p_alert bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_actor bigint := require_admin();
  v_kind text;
  v_subject text;
BEGIN
  UPDATE alerts SET acknowledged_at = now(), acknowledged_by = v_actor
   WHERE id = p_alert AND acknowledged_at IS NULL
  RETURNING kind, subject INTO v_kind, v_subject;
  IF FOUND THEN
    INSERT INTO audit_entries (actor_id, action, target_id, summary)
    VALUES (v_actor, 'acknowledgeAlert', p_alert::text, format('acknowledged %s of %s', v_kind, v_subject));
    RETURN true;
  END IF;
  RETURN EXISTS (SELECT FROM alerts WHERE id = p_alert);
END $$
