"""What can be done to the tables behind our back, and where verify has to see it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Damage:
    """Something done to the tables behind our back, the promise it breaks, and where.

    Names in braces stand for what the scene has: {account}, and the moments of its {grant}, of the
    {hold} that became an answer, of its {charge}, of the {refund} of that, and of an {open} hold;
    {hour} is the hour of the charge, and {quarter}, {whole_hour} and {day}
    begin when its cells do. {buyer} has bought credits: {payment} is when that began,
    {purchase} and {back} are its lines, of which the latter took back what was refunded.
    """

    done: str
    promise: str
    row: str


NEVER_NEGATIVE = "What is available, held, owed and unattributed is never negative."
SUM = "The total of a purse is the sum of its entries, and it counts them all."
CHAIN = "Entries are numbered from one without a gap, and each total follows from the last."
HELD = "What is held is the sum of the open holds."
LAST_MOMENT = "Nothing happened to a purse later than the last moment its balance knows."
OF_A_BALANCE = "Every row belongs to a balance."
OF_AN_ACCOUNT = "Every balance belongs to an account, and every account has a balance."
HOLD_ENDS = "A hold ends at most once, and is never captured beyond its amount."
ONE_CHARGE = (
    "What a hold captured is one charge at the moment it ended, and no charge is of no hold."
)
AGREE = "An answer and its hold agree about how they stand."
SWEPT = "Every hold up to the sweep mark has ended."
LOTS = "What is left in the lots of a purse, without what is not yet attributed, is its total."
LOT = "A lot never holds more than came in, nor less than nothing."
LOTS_OF_ENTRY = "Credits that came in by an entry are its lots, no more and no less."
LAPSE = "A balance knows when the first of its credits lapse."
ATTEMPTS = "An answer has a usage record for each attempt, and they charge what was captured."
OF_AN_ATTEMPT = (
    "A usage record is of an attempt at an answer, right after its end, or of a refusal."
)
NO_DEARER = "Nothing is charged beyond what its tokens cost at the price it was asked for."
DELIVERED = "Only what was delivered is charged."
ROLL_UPS = "The roll-ups are the sums of the usage records, hour by hour."
FOLDED = "What was folded of usage is the sum of the records before the mark."
FOLDED_WIDER = "What is folded wider, and of everybody, is the sum of the narrowest cells."
ONE_EFFECT = "An idempotency key has one effect."
REFUNDS = "What is given back of a charge, over all times, is never more than the charge."
ASKED_FOR = "What was recharged, adjusted, refunded or moved was asked for by a key."
MOVES = "What moves between an account and its keys is neither more nor less on the other side."
SIGN_UP = "An account is given its sign-up credits once."
EXPIRED = "Only credits whose time is over have expired."
ANSWER_TOLD = "An answer that was told has finished as it was told, and was told once."
LOW_TOLD = "A low balance that was told fell below then, and was told as often as it fell at most."
PAYMENT_TOLD = (
    "A payment that was told is one of the account's, and brought credits if that was told."
)
BUDGETS = "A budget counts what its key holds, and what it was charged in the period."
OF_A_KEY = "What was asked with an API key is of a key that there is, and paid from its purse."
KEY_PURSES = "A key with credits of its own has a purse, which is empty once it was emptied."
CONSTRAINTS = "Every constraint is in force, for the rows that were there before as well."
TRIGGERS = "Triggers refuse every change of history."
FORCED = "Row-level security is forced on every table."
POLICIES = "Policies let the owner keep the books, and others read what is theirs or public."
VIEW = "The view of answers sees what its reader may see."
OWNED = "Everything belongs to the owner, who cannot log in."
BECOME = "No login of ours can become more than it is."
PINNED = "Functions look up names in our schema only."
RIGHTS = "Everybody has the rights that the logins need, and no other."

DAMAGES = (
    Damage(
        "ALTER DOMAIN credits DROP CONSTRAINT credits_are_never_negative;"
        " UPDATE balances SET held = -1 WHERE account_id = {account}",
        NEVER_NEGATIVE,
        "balances ({account}, 0)",
    ),
    Damage(
        "ALTER TABLE balances DROP CONSTRAINT balances_available_is_never_negative;"
        " UPDATE balances SET total = held - 1 WHERE account_id = {account}",
        NEVER_NEGATIVE,
        "balances ({account}, 0)",
    ),
    Damage("UPDATE balances SET total = total + 5", SUM, "balances ({account}, 0)"),
    Damage("UPDATE balances SET entries = entries + 1", SUM, "balances ({account}, 0)"),
    Damage(
        "UPDATE entries SET seq = seq + 1 WHERE moment = {charge}",
        CHAIN,
        "entries ({account}, {charge}, 0)",
    ),
    Damage(
        "UPDATE entries SET total_after = total_after + 1 WHERE moment = {charge}",
        CHAIN,
        "entries ({account}, {charge}, 0)",
    ),
    Damage(
        "DELETE FROM entries WHERE moment = {charge}", CHAIN, "entries ({account}, {refund}, 0)"
    ),
    Damage("UPDATE balances SET held = held + 1 WHERE held > 0", HELD, "balances ({account}, 0)"),
    Damage(
        "UPDATE balances SET moment = {grant} WHERE account_id = {account}",
        LAST_MOMENT,
        "balances ({account}, 0)",
    ),
    Damage("DELETE FROM balances", OF_A_BALANCE, "entries of purse ({account}, 0)"),
    Damage("DELETE FROM accounts", OF_AN_ACCOUNT, "balances ({account}, 0)"),
    Damage("INSERT INTO accounts (id) VALUES (7)", OF_AN_ACCOUNT, "accounts (7)"),
    Damage(
        "ALTER TABLE holds DROP CONSTRAINT holds_capture_never_exceeds_the_hold;"
        " UPDATE holds SET captured = amount + 1 WHERE moment = {hold}",
        HOLD_ENDS,
        "holds ({account}, {hold}, 0)",
    ),
    Damage(
        "ALTER TABLE holds DROP CONSTRAINT holds_end_once_and_only_captured_ones_charge;"
        " UPDATE holds SET ended_moment = NULL WHERE moment = {hold}",
        HOLD_ENDS,
        "holds ({account}, {hold}, 0)",
    ),
    Damage(
        "UPDATE entries SET amount = -41 WHERE moment = {charge}",
        ONE_CHARGE,
        "holds ({account}, {hold}, 0)",
    ),
    Damage(
        "DELETE FROM entries WHERE moment = {charge}", ONE_CHARGE, "holds ({account}, {hold}, 0)"
    ),
    Damage(
        "UPDATE entries SET hold_moment = {open} WHERE moment = {charge}",
        ONE_CHARGE,
        "holds ({account}, {hold}, 0)",
    ),
    Damage(
        "INSERT INTO entries (account_id, moment, key_number, seq, kind, amount, total_after)"
        " VALUES ({account}, {charge} + 1, 0, 9, 'CHARGE', -1, 1)",
        ONE_CHARGE,
        "entries ({account}, {after_charge}, 0)",
    ),
    Damage(
        "UPDATE holds SET failure = 'ERROR' WHERE moment = {hold}",
        AGREE,
        "holds ({account}, {hold}, 0)",
    ),
    Damage("UPDATE sweep_mark SET moment = {open}", SWEPT, "holds ({account}, {open}, 0)"),
    Damage(
        "UPDATE lots SET remaining = remaining - 1 WHERE moment = {grant}",
        LOTS,
        "balances ({account}, 0)",
    ),
    Damage("UPDATE balances SET unattributed = 7", LOTS, "balances ({account}, 0)"),
    Damage(
        "ALTER TABLE lots DROP CONSTRAINT lots_remaining_is_within_amount;"
        " UPDATE lots SET remaining = amount + 1 WHERE moment = {grant}",
        LOT,
        "lots ({account}, {grant}, 0)",
    ),
    Damage(
        "UPDATE lots SET amount = amount + 1 WHERE moment = {grant}",
        LOTS_OF_ENTRY,
        "entries ({account}, {grant}, 0)",
    ),
    Damage(
        "DELETE FROM lots WHERE moment = {refund}",
        LOTS_OF_ENTRY,
        "entries ({account}, {refund}, 0)",
    ),
    Damage(
        "UPDATE lots SET entry_moment = 5 WHERE moment = {grant}",
        LOTS_OF_ENTRY,
        "lots of entry ({account}, 5, 0)",
    ),
    Damage(
        "UPDATE lots SET expires_at = now() WHERE moment = {grant}",
        LAPSE,
        "balances ({account}, 0)",
    ),
    Damage("DELETE FROM usage_records", ATTEMPTS, "holds ({account}, {hold}, 0)"),
    Damage("UPDATE usage_records SET charged = 41", ATTEMPTS, "holds ({account}, {hold}, 0)"),
    Damage(
        "UPDATE usage_records SET answer_moment = NULL",
        OF_AN_ATTEMPT,
        "usage_records ({account}, {after_charge}, 0)",
    ),
    Damage(
        "UPDATE usage_records SET attempt = 2",
        OF_AN_ATTEMPT,
        "usage_records ({account}, {after_charge}, 0)",
    ),
    Damage(
        "UPDATE usage_records SET price_id = 2",
        OF_AN_ATTEMPT,
        "usage_records ({account}, {after_charge}, 0)",
    ),
    Damage(
        "UPDATE holds SET model_id = 'large' WHERE moment = {hold}",
        OF_AN_ATTEMPT,
        "usage_records ({account}, {after_charge}, 0)",
    ),
    Damage(
        "UPDATE usage_records SET output_tokens = 0, input_tokens = 0, cached_input_tokens = 0",
        NO_DEARER,
        "usage_records ({account}, {after_charge}, 0)",
    ),
    Damage(
        "UPDATE model_prices SET output_per_1k = 0, input_per_1k = 0, cached_input_per_1k = 3900",
        NO_DEARER,
        "usage_records ({account}, {after_charge}, 0)",
    ),
    Damage(
        "UPDATE model_prices SET model_id = 'large'",
        NO_DEARER,
        "usage_records ({account}, {after_charge}, 0)",
    ),
    Damage(
        "ALTER TABLE usage_records DROP CONSTRAINT usage_records_failures_are_free;"
        " UPDATE usage_records SET outcome = 'FAILED', problem_code = 'PROVIDER_FAILED'",
        DELIVERED,
        "usage_records ({account}, {after_charge}, 0)",
    ),
    Damage(
        "UPDATE usage_hours SET charged = charged + 1",
        ROLL_UPS,
        "usage_hours ({account}, {hour}, small, 0)",
    ),
    Damage(
        "UPDATE usage_hours SET hour = hour - interval '1 hour'",
        ROLL_UPS,
        "usage_hours ({account}, {hour}, small, 0)",
    ),
    Damage(
        "DELETE FROM usage_hours",
        ROLL_UPS,
        "usage_hours ({account}, {hour}, small, 0)",
    ),
    Damage(
        "UPDATE usage_folds SET charged = charged + 1 WHERE minutes = 15 AND account_id > 0",
        FOLDED,
        "usage_folds ({account}, 15, {quarter}, small, 0, SUCCEEDED)",
    ),
    Damage(
        "UPDATE usage_folds SET latency_bins[1] = 5 WHERE minutes = 15",
        FOLDED,
        "usage_folds ({account}, 15, {quarter}, small, 0, SUCCEEDED)",
    ),
    Damage(
        "DELETE FROM usage_folds WHERE minutes = 15 AND account_id > 0",
        FOLDED,
        "usage_folds ({account}, 15, {quarter}, small, 0, SUCCEEDED)",
    ),
    Damage(
        "UPDATE fold_mark SET moment = {charge}",
        FOLDED,
        "usage_folds ({account}, 15, {quarter}, small, 0, SUCCEEDED)",
    ),
    Damage(
        "INSERT INTO usage_records (account_id, moment, key_number, api_key_number, attempt,"
        " outcome, model_id, price_id, input_tokens, cached_input_tokens, output_tokens,"
        " is_estimated, charged) VALUES ({account}, {hold}, 0, 0, 1, 'CANCELED', 'small', 1, 0, 0,"
        " 0, false, 0)",
        FOLDED,
        "usage_folds ({account}, 15, {quarter}, small, 0, CANCELED)",
    ),
    Damage(
        "UPDATE usage_folds SET first_token_counts[1] = 2 WHERE minutes = 60",
        FOLDED_WIDER,
        "usage_folds (0, 60, {whole_hour}, small, 0, SUCCEEDED)",
    ),
    Damage(
        "DELETE FROM usage_folds WHERE minutes = 1440 AND account_id > 0",
        FOLDED_WIDER,
        "usage_folds ({account}, 1440, {day}, small, 0, SUCCEEDED)",
    ),
    Damage(
        "UPDATE usage_folds SET attempts = 3 WHERE account_id = 0 AND minutes = 1440",
        FOLDED_WIDER,
        "usage_folds (0, 1440, {day}, small, 0, SUCCEEDED)",
    ),
    Damage(
        "ALTER TABLE holds DROP CONSTRAINT holds_key_has_one_effect;"
        " UPDATE holds SET key = '00000000-0000-0000-0000-000000000001'",
        ONE_EFFECT,
        "holds with key 00000000-0000-0000-0000-000000000001 of account {account}",
    ),
    Damage(
        "ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey;"
        " UPDATE idempotency_keys SET key = '00000000-0000-0000-0000-000000000001';"
        " INSERT INTO idempotency_keys SELECT * FROM idempotency_keys",
        ONE_EFFECT,
        "idempotency_keys ({account}, refundCharge, 00000000-0000-0000-0000-000000000001)",
    ),
    Damage(
        "UPDATE entries SET amount = 41 WHERE moment = {refund}",
        REFUNDS,
        "entries ({account}, {charge}, 0)",
    ),
    Damage(
        "UPDATE entries SET reverses_moment = {grant} WHERE moment = {refund}",
        REFUNDS,
        "entries ({account}, {grant}, 0)",
    ),
    Damage("DELETE FROM idempotency_keys", ASKED_FOR, "entries ({account}, {refund}, 0)"),
    Damage(
        "UPDATE idempotency_keys SET key_number = 3",
        ASKED_FOR,
        "entries ({account}, {refund}, 0)",
    ),
    Damage(
        "UPDATE entries SET kind = 'TRANSFER' WHERE moment = {grant}",
        MOVES,
        "accounts ({account})",
    ),
    Damage(
        "UPDATE entries SET kind = 'SIGN_UP_GRANT' WHERE moment = {refund}",
        SIGN_UP,
        "accounts ({account})",
    ),
    Damage(
        "UPDATE entries SET kind = 'EXPIRY' WHERE moment = {charge}",
        EXPIRED,
        "balances ({account}, 0)",
    ),
    Damage(
        "ALTER TABLE entries DROP CONSTRAINT entries_sign_follows_kind",
        CONSTRAINTS,
        "entries.entries_sign_follows_kind",
    ),
    Damage(
        "ALTER TABLE lots DROP CONSTRAINT lots_amount_is_positive;"
        " ALTER TABLE lots ADD CONSTRAINT lots_amount_is_positive CHECK (amount > 0) NOT VALID",
        CONSTRAINTS,
        "lots.lots_amount_is_positive",
    ),
    Damage(
        "ALTER DOMAIN credits DROP CONSTRAINT credits_are_never_negative",
        CONSTRAINTS,
        "credits.credits_are_never_negative",
    ),
    Damage(
        "ALTER TABLE entries DISABLE TRIGGER is_never_changed",
        TRIGGERS,
        "entries.is_never_changed",
    ),
    Damage(
        "ALTER TABLE audit_entries ENABLE REPLICA TRIGGER is_never_truncated",
        TRIGGERS,
        "audit_entries.is_never_truncated",
    ),
    Damage(
        "DROP TRIGGER is_never_changed ON model_prices", TRIGGERS, "model_prices.is_never_changed"
    ),
    Damage(
        "CREATE TABLE entries_of_old PARTITION OF entries FOR VALUES FROM (0) TO (1);"
        " ALTER TABLE entries_of_old OWNER TO tallystick_owner",
        TRIGGERS,
        "entries_of_old.is_never_truncated",
    ),
    Damage("ALTER TABLE lots NO FORCE ROW LEVEL SECURITY", FORCED, "lots"),
    Damage("ALTER TABLE sessions DISABLE ROW LEVEL SECURITY", FORCED, "sessions"),
    Damage(
        "CREATE POLICY all_see_all ON balances FOR SELECT TO tallystick_user USING (true)",
        POLICIES,
        "balances.all_see_all",
    ),
    Damage(
        "CREATE POLICY anybody_writes ON lots FOR UPDATE USING (true)",
        POLICIES,
        "lots.anybody_writes",
    ),
    Damage("ALTER VIEW answers RESET (security_invoker)", VIEW, "answers"),
    Damage("ALTER TABLE lots OWNER TO CURRENT_USER", OWNED, "lots"),
    Damage("ALTER TABLE lots OWNER TO CURRENT_USER", LOTS, "all of them"),
    Damage("DROP TABLE usage_hours CASCADE", ROLL_UPS, "all of them"),
    Damage("ALTER FUNCTION known_key RESET search_path", PINNED, "known_key"),
    Damage(
        "GRANT SELECT ON sessions TO tallystick_user",
        RIGHTS,
        "SELECT on sessions to tallystick_user",
    ),
    Damage(
        "GRANT UPDATE (total) ON balances TO tallystick_worker",
        RIGHTS,
        "UPDATE on balances.total to tallystick_worker",
    ),
    Damage(
        "GRANT EXECUTE ON FUNCTION post_credit TO PUBLIC",
        RIGHTS,
        "EXECUTE on post_credit to everybody",
    ),
    Damage(
        "GRANT CREATE ON SCHEMA tallystick TO PUBLIC",
        RIGHTS,
        "CREATE on schema tallystick to everybody",
    ),
    Damage(
        "REVOKE EXECUTE ON FUNCTION move_credits FROM tallystick_payments",
        RIGHTS,
        "EXECUTE on move_credits to tallystick_payments",
    ),
)

PAID_FOR = (
    "A payment that succeeded has one purchase of its credits, and every purchase is paid for."
)
TAKEN_BACK = "What is taken back of a payment is what its refunds and disputes say, and no more."
LINES = "The lines of a payment are its credits, less what was taken back and was there to take."
OF_A_PAYMENT = "A line of a payment is a purchase or a chargeback, of a payment that is there."
OWES = "What an account owes became owed by its payments and was not repaid yet."
NO_ORPHANS = "A refund, a dispute and a message are of a payment that is there."
BEGAN = "A payment began at a moment that its balance knows."

DAMAGES_OF_PAYMENTS = (
    Damage(
        "UPDATE payments SET credits = credits + 1", PAID_FOR, "payments ({buyer}, {payment}, 0)"
    ),
    Damage(
        "UPDATE entries SET kind = 'PURCHASE' WHERE moment = {grant}",
        PAID_FOR,
        "entries ({account}, {grant}, 0)",
    ),
    Damage(
        "UPDATE payment_reversals SET amount = amount + 1",
        TAKEN_BACK,
        "payments ({buyer}, {payment}, 0)",
    ),
    Damage(
        "UPDATE payments SET taken_back = taken_back - 1",
        TAKEN_BACK,
        "payments ({buyer}, {payment}, 0)",
    ),
    Damage(
        "DELETE FROM payment_entries WHERE moment = {back}",
        LINES,
        "payments ({buyer}, {payment}, 0)",
    ),
    Damage(
        "INSERT INTO payment_entries (account_id, moment, payment_moment)"
        " VALUES ({account}, {charge}, {payment})",
        OF_A_PAYMENT,
        "payment_entries ({account}, {charge}, 0)",
    ),
    Damage(
        "UPDATE payment_entries SET payment_moment = 5 WHERE moment = {back}",
        OF_A_PAYMENT,
        "payment_entries ({buyer}, {back}, 0)",
    ),
    Damage("UPDATE payments SET became_owed = 9", OWES, "balances ({buyer}, 0)"),
    Damage("DELETE FROM payments", NO_ORPHANS, "payment_reversals ({buyer}, re_1)"),
    Damage(
        "UPDATE payment_events SET payment_moment = 5", NO_ORPHANS, "payment_events ({buyer}, evt)"
    ),
    Damage(
        "UPDATE balances SET moment = 5 WHERE account_id = {buyer}",
        BEGAN,
        "payments ({buyer}, {payment}, 0)",
    ),
)

DAMAGES_OF_ROLES = (
    (
        "GRANT tallystick_owner TO tallystick_user",
        "REVOKE tallystick_owner FROM tallystick_user",
        BECOME,
        "tallystick_user",
    ),
    (
        "ALTER ROLE tallystick_worker BYPASSRLS",
        "ALTER ROLE tallystick_worker NOBYPASSRLS",
        BECOME,
        "tallystick_worker",
    ),
    (
        "ALTER ROLE tallystick_owner LOGIN",
        "ALTER ROLE tallystick_owner NOLOGIN",
        OWNED,
        "tallystick_owner",
    ),
)

DAMAGES_OF_KEYS = (
    Damage("UPDATE key_budgets SET held = held - 1", BUDGETS, "key_budgets ({account}, 1)"),
    Damage("UPDATE key_budgets SET charged = 39", BUDGETS, "key_budgets ({account}, 1)"),
    Damage("UPDATE key_budgets SET charged = 0", BUDGETS, "key_budgets ({account}, 1)"),
    Damage(
        "UPDATE holds SET status = 'EXPIRED', ended_moment = moment + 1, failure = 'ERROR'"
        " WHERE ended_moment IS NULL",
        BUDGETS,
        "key_budgets ({account}, 1)",
    ),
    Damage(
        "UPDATE usage_hours SET charged = 41 WHERE api_key_number = 1",
        BUDGETS,
        "key_budgets ({account}, 1)",
    ),
    Damage(
        "UPDATE key_budgets SET period_start = period_end - 1",
        BUDGETS,
        "key_budgets ({account}, 1)",
    ),
    Damage(
        "DELETE FROM key_budgets; DELETE FROM api_keys WHERE key_number = 1",
        OF_A_KEY,
        "holds ({account}, {open}, 0)",
    ),
    Damage(
        "UPDATE holds SET api_key_number = 2 WHERE ended_moment IS NULL",
        OF_A_KEY,
        "holds ({account}, {open}, 0)",
    ),
    Damage("DELETE FROM balances WHERE key_number = 2", KEY_PURSES, "api_keys ({account}, 2)"),
    Damage(
        "UPDATE balances SET total = 5 WHERE key_number = 3", KEY_PURSES, "api_keys ({account}, 3)"
    ),
    Damage(
        "UPDATE api_keys SET revoked_at = now(), emptied_at = now() WHERE key_number = 2",
        KEY_PURSES,
        "api_keys ({account}, 2)",
    ),
)

_TELL = "INSERT INTO told_events (salt, type, account_id, facts) VALUES (0, "
_ANSWER_TOLD = (
    f"{_TELL}'answer.finished', {{account}}, jsonb_build_object('account', {{account}}, 'key', 0,"
    " 'moment', {moment}, 'status', 'SUCCEEDED', 'charged', {charged}))"
)

DAMAGES_OF_EVENTS = (
    Damage(
        _ANSWER_TOLD.replace("{moment}", "{open}").replace("{charged}", "0"),
        ANSWER_TOLD,
        "told_events (1)",
    ),
    Damage(
        _ANSWER_TOLD.replace("{moment}", "{hold}").replace("{charged}", "41"),
        ANSWER_TOLD,
        "told_events (1)",
    ),
    Damage(
        ";".join([_ANSWER_TOLD.replace("{moment}", "{hold}").replace("{charged}", "40")] * 2),
        ANSWER_TOLD,
        "told_events (2)",
    ),
    Damage(
        f"{_TELL}'balance.low', {{account}}, jsonb_build_object("
        "'account', {account}, 'key', 0, 'total', 1, 'threshold', 2))",
        LOW_TOLD,
        "balances ({account}, 0)",
    ),
    Damage(
        f"{_TELL}'payment.succeeded', {{account}}, jsonb_build_object("
        "'account', {account}, 'moment', 1, 'status', 'SUCCEEDED'))",
        PAYMENT_TOLD,
        "told_events (1)",
    ),
)
