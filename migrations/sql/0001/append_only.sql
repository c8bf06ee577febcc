-- Refuses every change of rows that are history, for the owner too.
CREATE FUNCTION append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = tallystick, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are history: they are never changed or removed', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation', HINT = 'Post a new row that corrects the old one.';
END $$
