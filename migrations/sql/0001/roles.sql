-- Roles belong to the whole server, so they may exist already: another database of ours made them.
DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY[
    'tallystick_owner', 'tallystick_user', 'tallystick_admin',
    'tallystick_auth', 'tallystick_worker', 'tallystick_payments']
  LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOINHERIT NOCREATEDB NOCREATEROLE', role_name);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;  -- another migration was a moment faster
      END;
    END IF;
  END LOOP;
  -- The migrating login acts as the owner, which itself can never log in.
  IF NOT pg_has_role(current_user, 'tallystick_owner', 'MEMBER')
     OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT tallystick_owner TO %I', current_user);
  END IF;
END $$
