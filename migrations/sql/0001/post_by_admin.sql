-- An administrator's change of an account's balance, with its audit entry: RECHARGE (with an expiry
-- if given) or ADJUSTMENT. Outcomes as in move_credits.
CREATE FUNCTION post_by_admin(
  p_account bigint, p_kind text, p_amount bigint, p_expires_at timestamptz, p_reason text,
  p_operation text, p_key uuid, p_digest uuid, p_summary text,
  OUT outcome smallint, OUT moment bigint, OUT total bigint, OUT held bigint, OUT owed bigint, OUT changed bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_actor bigint := require_admin();
BEGIN
  IF p_kind NOT IN ('RECHARGE', 'ADJUSTMENT') THEN
    RAISE EXCEPTION 'administrators do not post %', p_kind USING ERRCODE = 'invalid_parameter_value';
  END IF;
  SELECT * INTO outcome, moment, total, held, owed, changed
    FROM move_credits(p_account, 0, p_kind, p_amount, false, p_expires_at, false, p_reason, v_actor, NULL,
                      p_operation, p_key, p_digest);
  IF outcome = 0 THEN
    INSERT INTO audit_entries (actor_id, action, target_id, summary)
    VALUES (v_actor, p_operation, p_account::text, p_summary);
  END IF;
END $$
