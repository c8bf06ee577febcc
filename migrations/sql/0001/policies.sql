-- Row-level security is forced, so it binds the owner and its functions too; a table without a policy
-- for a login shows it nothing. Policies ask their helpers through scalar sub-selects, once a statement.

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE account_contacts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE balances ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE holds ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE lots ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE models ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE model_prices ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE answer_texts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sweep_mark ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE usage_records ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE usage_hours ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_keeps_the_books ON accounts TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON account_contacts TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON sessions TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON balances TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON entries TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON holds TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON lots TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON idempotency_keys TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON models TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON model_prices TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON answer_texts TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON sweep_mark TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON usage_records TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON usage_hours TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON audit_entries TO tallystick_owner USING (true) WITH CHECK (true);

CREATE POLICY callers_see_themselves ON accounts FOR SELECT TO tallystick_user USING (id = (SELECT caller_account_id()));
CREATE POLICY callers_see_themselves ON account_contacts FOR SELECT TO tallystick_user USING (account_id = (SELECT caller_account_id()));
CREATE POLICY callers_see_their_own ON balances FOR SELECT TO tallystick_user USING (account_id = (SELECT caller_account_id()));
CREATE POLICY callers_see_their_own ON entries FOR SELECT TO tallystick_user USING (account_id = (SELECT caller_account_id()));
CREATE POLICY callers_see_their_own ON holds FOR SELECT TO tallystick_user USING (account_id = (SELECT caller_account_id()));
CREATE POLICY callers_see_their_own ON lots FOR SELECT TO tallystick_user USING (account_id = (SELECT caller_account_id()));
CREATE POLICY callers_see_their_own ON answer_texts FOR SELECT TO tallystick_user USING (account_id = (SELECT caller_account_id()));
CREATE POLICY callers_see_their_own ON usage_records FOR SELECT TO tallystick_user USING (account_id = (SELECT caller_account_id()));
CREATE POLICY callers_see_their_own ON usage_hours FOR SELECT TO tallystick_user USING (account_id = (SELECT caller_account_id()));
CREATE POLICY the_sweep_mark_is_public ON sweep_mark FOR SELECT TO tallystick_user, tallystick_admin USING (true);
CREATE POLICY the_price_book_is_public ON models FOR SELECT TO tallystick_user USING (true);
CREATE POLICY the_price_book_is_public ON model_prices FOR SELECT TO tallystick_user USING (true);

CREATE POLICY admins_see_all ON accounts FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON account_contacts FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON balances FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON entries FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON holds FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON lots FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON answer_texts FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON usage_records FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON usage_hours FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON models FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON model_prices FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON audit_entries FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));

CREATE TRIGGER is_never_changed BEFORE UPDATE OR DELETE ON entries FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_truncated BEFORE TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_changed BEFORE UPDATE OR DELETE ON usage_records FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_truncated BEFORE TRUNCATE ON usage_records FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_changed BEFORE UPDATE OR DELETE ON model_prices FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_truncated BEFORE TRUNCATE ON model_prices FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_changed BEFORE UPDATE OR DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_truncated BEFORE TRUNCATE ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_changed BEFORE UPDATE OR DELETE ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_truncated BEFORE TRUNCATE ON idempotency_keys FOR EACH STATEMENT EXECUTE FUNCTION append_only();
