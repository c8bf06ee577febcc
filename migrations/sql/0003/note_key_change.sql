-- The audit entry of a change to a key of an administrator's account: of credentials that a person with
-- rights over others hands out, somebody else should be able to read. Customers' keys leave none.
CREATE FUNCTION note_key_change(p_account bigint, p_number integer, p_action text, p_summary text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  INSERT INTO audit_entries (actor_id, action, target_id, summary)
  SELECT a.id, p_action, format('%s/%s', p_account, p_number), p_summary
    FROM accounts a WHERE a.id = p_account AND a.role = 'ADMIN'
$$
