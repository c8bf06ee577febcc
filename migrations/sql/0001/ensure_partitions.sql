-- Makes the monthly partitions of entries and usage_records from one day's month to another's.
-- Attaching takes a light lock, so that it may run beside live traffic; running it again does nothing.
CREATE FUNCTION ensure_partitions(p_from timestamptz, p_to timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  v_month timestamptz := date_trunc('month', p_from);
  v_parent text;
  v_part text;
  v_made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('tallystick.partitions'));
  WHILE v_month <= p_to LOOP
    FOREACH v_parent IN ARRAY ARRAY['entries', 'usage_records'] LOOP
      v_part := v_parent || to_char(v_month, '_YYYY_MM');
      IF to_regclass('tallystick.' || v_part) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', v_part, v_parent);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', v_part);
        EXECUTE format('CREATE POLICY owner_keeps_the_books ON %I TO tallystick_owner USING (true) WITH CHECK (true)', v_part);
        EXECUTE format('CREATE TRIGGER is_never_truncated BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION append_only()', v_part);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', v_parent, v_part,
          (extract(epoch FROM v_month) * 1000000)::bigint,
          (extract(epoch FROM v_month + interval '1 month') * 1000000)::bigint);
        v_made := v_made + 1;
      END IF;
    END LOOP;
    v_month := v_month + interval '1 month';
  END LOOP;
  RETURN v_made;
END $$
