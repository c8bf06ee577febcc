-- In a request made with an API key, what is seen of a table is the key's own rows; in a session's
-- request there is no key in force, and nothing is asked of it.

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE key_budgets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_keeps_the_books ON api_keys TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON key_budgets TO tallystick_owner USING (true) WITH CHECK (true);

CREATE POLICY callers_see_their_own ON api_keys FOR SELECT TO tallystick_user
 USING (account_id = (SELECT caller_account_id()) AND key_number = coalesce((SELECT caller_key_number()), key_number));
CREATE POLICY callers_see_their_own ON key_budgets FOR SELECT TO tallystick_user
 USING (account_id = (SELECT caller_account_id()) AND key_number = coalesce((SELECT caller_key_number()), key_number));
CREATE POLICY admins_see_all ON api_keys FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY admins_see_all ON key_budgets FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));

ALTER POLICY callers_see_themselves ON account_contacts
 USING (account_id = (SELECT caller_account_id()) AND (SELECT caller_key_number()) IS NULL);
ALTER POLICY callers_see_their_own ON balances
 USING (account_id = (SELECT caller_account_id()) AND key_number IN (0, coalesce((SELECT caller_key_number()), key_number)));
ALTER POLICY callers_see_their_own ON lots
 USING (account_id = (SELECT caller_account_id()) AND key_number IN (0, coalesce((SELECT caller_key_number()), key_number)));
ALTER POLICY callers_see_their_own ON holds
 USING (account_id = (SELECT caller_account_id()) AND api_key_number = coalesce((SELECT caller_key_number()), api_key_number));
ALTER POLICY callers_see_their_own ON usage_records
 USING (account_id = (SELECT caller_account_id()) AND api_key_number = coalesce((SELECT caller_key_number()), api_key_number));
ALTER POLICY callers_see_their_own ON usage_hours
 USING (account_id = (SELECT caller_account_id()) AND api_key_number = coalesce((SELECT caller_key_number()), api_key_number));
-- Charges and texts are the key's own when their hold is: its policy says whether that can be seen.
ALTER POLICY callers_see_their_own ON entries
 USING (account_id = (SELECT caller_account_id()) AND (
   key_number = coalesce((SELECT caller_key_number()), key_number)
   OR EXISTS (SELECT FROM holds h WHERE h.account_id = entries.account_id AND h.moment = entries.hold_moment
                                    AND h.key_number = entries.key_number)));
ALTER POLICY callers_see_their_own ON answer_texts
 USING (account_id = (SELECT caller_account_id()) AND (
   (SELECT caller_key_number()) IS NULL
   OR EXISTS (SELECT FROM holds h WHERE h.account_id = answer_texts.account_id AND h.moment = answer_texts.moment
                                    AND h.key_number = answer_texts.key_number)));
