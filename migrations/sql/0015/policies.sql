-- The same rows are seen as before. Asked as `api_key_number = coalesce(…, api_key_number)`, PostgreSQL
-- took almost none to be seen, and sorted a whole history for one page of it; of this form it thinks
-- that half are, and reads a page in its order.

ALTER POLICY callers_see_their_own ON holds
 USING (account_id = (SELECT caller_account_id()) AND coalesce(api_key_number = (SELECT caller_key_number()), true));
ALTER POLICY callers_see_their_own ON usage_records
 USING (account_id = (SELECT caller_account_id()) AND coalesce(api_key_number = (SELECT caller_key_number()), true));
ALTER POLICY callers_see_their_own ON usage_hours
 USING (account_id = (SELECT caller_account_id()) AND coalesce(api_key_number = (SELECT caller_key_number()), true));
ALTER POLICY callers_see_their_own ON entries
 USING (account_id = (SELECT caller_account_id()) AND (
   coalesce(key_number = (SELECT caller_key_number()), true)
   OR EXISTS (SELECT FROM holds h WHERE h.account_id = entries.account_id AND h.moment = entries.hold_moment
                                    AND h.key_number = entries.key_number)));
