-- As 0003 has them.

ALTER POLICY callers_see_their_own ON holds
 USING (account_id = (SELECT caller_account_id()) AND api_key_number = coalesce((SELECT caller_key_number()), api_key_number));
ALTER POLICY callers_see_their_own ON usage_records
 USING (account_id = (SELECT caller_account_id()) AND api_key_number = coalesce((SELECT caller_key_number()), api_key_number));
ALTER POLICY callers_see_their_own ON usage_hours
 USING (account_id = (SELECT caller_account_id()) AND api_key_number = coalesce((SELECT caller_key_number()), api_key_number));
ALTER POLICY callers_see_their_own ON entries
 USING (account_id = (SELECT caller_account_id()) AND (
   key_number = coalesce((SELECT caller_key_number()), key_number)
   OR EXISTS (SELECT FROM holds h WHERE h.account_id = entries.account_id AND h.moment = entries.hold_moment
                                    AND h.key_number = entries.key_number)));
