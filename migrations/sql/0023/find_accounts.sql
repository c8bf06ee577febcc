-- The newest accounts before one, whose address or name begins like this, in whatever case; null leaves a
-- condition out. A function, because behind row-level security no pattern may be looked up in an index: it
-- is tested last, on every row. Planned for what is sought, since few addresses begin like one and many
-- like another.
CREATE FUNCTION find_accounts(p_beginning text, p_role text, p_status text, p_before bigint, p_limit integer)
RETURNS TABLE (id bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  v_actor bigint := require_admin();
  v_like text := regexp_replace(lower(p_beginning), '([\\%_])', '\\\1', 'g') || '%';
BEGIN
  RETURN QUERY
  SELECT found.id
    FROM ((SELECT a.id FROM account_contacts c JOIN accounts a ON a.id = c.account_id
            WHERE c.email LIKE v_like AND a.id < p_before
              AND (p_role IS NULL OR a.role = p_role) AND (p_status IS NULL OR a.status = p_status)
            ORDER BY a.id DESC LIMIT p_limit)
          UNION
          (SELECT a.id FROM accounts a
            WHERE lower(a.display_name) LIKE v_like AND a.id < p_before
              AND (p_role IS NULL OR a.role = p_role) AND (p_status IS NULL OR a.status = p_status)
            ORDER BY a.id DESC LIMIT p_limit)) found
   ORDER BY found.id DESC
   LIMIT p_limit;
END $$
