REVOKE ALL ON FUNCTION usage_horizon, fold_usage, unfold_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION usage_horizon, fold_usage TO tallystick_worker;
GRANT SELECT (account_id, minutes, moment, model_id, api_key_number, outcome, attempts, input_tokens, output_tokens, charged, latency_ms, latency_bins, latency_counts, first_token_ms, first_token_bins, first_token_counts) ON usage_folds TO tallystick_user;
GRANT SELECT ON usage_folds TO tallystick_admin;
GRANT SELECT ON fold_mark TO tallystick_user, tallystick_admin;
