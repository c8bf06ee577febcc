-- Reading goes through tables under row-level security, changing through functions; no login may
-- write a table. Every function of the schema is closed to PUBLIC first.

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tallystick FROM PUBLIC;
GRANT USAGE ON SCHEMA tallystick TO tallystick_user, tallystick_admin, tallystick_auth, tallystick_worker, tallystick_payments;

GRANT SELECT (id, role, status, display_name, is_demo, created_at) ON accounts TO tallystick_user;
GRANT SELECT ON account_contacts, balances, entries, holds, lots, usage_hours, models, model_prices, answers, answer_texts, sweep_mark TO tallystick_user;
GRANT SELECT (account_id, moment, key_number, api_key_number, answer_moment, attempt, outcome, model_id, price_id, input_tokens, cached_input_tokens, output_tokens, is_estimated, charged, latency_ms, first_token_ms, problem_code) ON usage_records TO tallystick_user;
GRANT SELECT ON accounts, account_contacts, balances, entries, holds, lots, usage_hours, models, model_prices, answers, answer_texts, usage_records, audit_entries, sweep_mark TO tallystick_admin;

GRANT EXECUTE ON FUNCTION caller_account_id, caller_is_admin TO tallystick_user, tallystick_admin;
GRANT EXECUTE ON FUNCTION settle_purses_in_sight TO tallystick_user, tallystick_admin;
GRANT EXECUTE ON FUNCTION require_admin, post_by_admin, refund_charge, save_model, set_model_price TO tallystick_admin;
GRANT EXECUTE ON FUNCTION open_account, start_session, sessions_in_force, account_of_email TO tallystick_auth;
GRANT EXECUTE ON FUNCTION take_hold, end_hold, apply, apply_carefully, due_holds, settle_due_purses, find_answer, forget_texts, ensure_partitions TO tallystick_worker;
GRANT EXECUTE ON FUNCTION open_purse, move_credits, transfer_credits TO tallystick_payments;
