-- Payments are a signed-in person's business: an API key sees none.

ALTER TABLE payments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE payment_entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE payment_reversals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE payment_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE alerts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sandbox_charges ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_keeps_the_books ON payments TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON payment_entries TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON payment_reversals TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON payment_events TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON alerts TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON sandbox_charges TO tallystick_owner USING (true) WITH CHECK (true);

CREATE POLICY callers_see_their_own ON payments FOR SELECT TO tallystick_user
 USING (account_id = (SELECT caller_account_id()) AND (SELECT caller_key_number()) IS NULL);
CREATE POLICY callers_see_their_own ON payment_entries FOR SELECT TO tallystick_user
 USING (account_id = (SELECT caller_account_id()) AND (SELECT caller_key_number()) IS NULL);

CREATE POLICY admins_see_all ON payments FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON payment_entries FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON payment_reversals FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON payment_events FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON alerts FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));

CREATE TRIGGER is_never_changed BEFORE UPDATE OR DELETE ON payment_entries FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_truncated BEFORE TRUNCATE ON payment_entries FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_changed BEFORE UPDATE OR DELETE ON payment_events FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_truncated BEFORE TRUNCATE ON payment_events FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER order_is_never_changed BEFORE UPDATE OF account_id, moment, key_number, provider, mode, pack_id, pack_name, currency, price, price_basis, credits, bonus, valid_days, bonus_valid_days OR DELETE ON payments FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER is_never_truncated BEFORE TRUNCATE ON payments FOR EACH STATEMENT EXECUTE FUNCTION append_only();
