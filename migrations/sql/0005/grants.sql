REVOKE ALL ON FUNCTION post_purchase, begin_payment, attach_checkout, find_payments, find_charge, find_customer, payments_since, may_look_at_payment, payments_to_look_at, has_heard, raise_alert, sandbox_charge, sandbox_charges_since, keep_sandbox_charge, suspend_while_disputed, take_back_credits, settle_payment FROM PUBLIC;

GRANT SELECT (account_id, moment, key_number, provider, mode, pack_id, pack_name, currency, price, credits, bonus, status, receipt_url, paid_at, entry_moment, taken_back) ON payments TO tallystick_user;
GRANT SELECT ON payment_entries TO tallystick_user;
GRANT SELECT ON payments, payment_entries, payment_reversals, payment_events, alerts TO tallystick_admin;

GRANT EXECUTE ON FUNCTION begin_payment TO tallystick_user;
GRANT EXECUTE ON FUNCTION attach_checkout, find_payments, find_charge, find_customer, payments_since, may_look_at_payment, payments_to_look_at, has_heard, raise_alert, sandbox_charge, sandbox_charges_since, keep_sandbox_charge, settle_payment TO tallystick_payments;
