-- What the policies asked before there were API keys.

ALTER POLICY callers_see_themselves ON account_contacts USING (account_id = (SELECT caller_account_id()));
ALTER POLICY callers_see_their_own ON balances USING (account_id = (SELECT caller_account_id()));
ALTER POLICY callers_see_their_own ON lots USING (account_id = (SELECT caller_account_id()));
ALTER POLICY callers_see_their_own ON holds USING (account_id = (SELECT caller_account_id()));
ALTER POLICY callers_see_their_own ON usage_records USING (account_id = (SELECT caller_account_id()));
ALTER POLICY callers_see_their_own ON usage_hours USING (account_id = (SELECT caller_account_id()));
ALTER POLICY callers_see_their_own ON entries USING (account_id = (SELECT caller_account_id()));
ALTER POLICY callers_see_their_own ON answer_texts USING (account_id = (SELECT caller_account_id()));
