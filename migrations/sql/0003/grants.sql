-- The hash of a secret and the context it stands for are told to the login that authenticates, by its
-- function, and to nobody else.

REVOKE ALL ON FUNCTION caller_key_number, require_session, require_models, note_key_change, budget_period_start, budget_period_end, set_budget, return_own_credits, create_api_key, update_api_key, revoke_api_key, fund_api_key, empty_revoked_keys, api_keys_in_force, note_key_uses FROM PUBLIC;

GRANT SELECT (account_id, key_number, name, secret_start, scopes, funding, allowed_models, requests_per_minute, is_enabled, created_at, last_used_at, expires_at, revoked_at, emptied_at) ON api_keys TO tallystick_user, tallystick_admin;
GRANT SELECT ON key_budgets TO tallystick_user, tallystick_admin;

GRANT EXECUTE ON FUNCTION caller_key_number, create_api_key, update_api_key, revoke_api_key, fund_api_key TO tallystick_user;
GRANT EXECUTE ON FUNCTION api_keys_in_force, note_key_uses TO tallystick_auth;
GRANT EXECUTE ON FUNCTION empty_revoked_keys TO tallystick_worker;
