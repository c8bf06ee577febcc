"""Whether what keeps the books right by itself is still in force.

That is constraints, triggers, row-level security, and who may do what.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import PrimaryKeyConstraint, Table

from persistence.roles import OWNER, Login
from persistence.tables import VIEW, metadata
from persistence.verifying_parts import Rule

HISTORY: Final = (
    "entries",
    "usage_records",
    "model_prices",
    "audit_entries",
    "idempotency_keys",
    "payment_entries",
    "payment_events",
)
"""Tables whose rows are never changed or removed."""

_OF_DOMAINS: Final = (
    "credits.credits_are_never_negative",
    "some_credits.some_credits_are_more_than_none",
    "entry_kind.entry_kind_is_known",
    "hold_status.hold_status_is_known",
)
_READABLE: Final = (
    "account_contacts", "answer_texts", "answers", "balances", "entries", "holds", "key_budgets",
    "fold_mark", "lots", "model_prices", "models", "payment_entries", "sweep_mark", "usage_hours",
)  # fmt: skip
_FOR_ADMINS: Final = (
    "accounts", "usage_records", "usage_folds", "audit_entries", "payments", "payment_reversals",
    "payment_events", "alerts", "book_checks",
)  # fmt: skip
_PAYMENT_COLUMNS: Final = (
    "account_id", "moment", "key_number", "provider", "mode", "pack_id", "pack_name", "currency",
    "price", "credits", "bonus", "status", "receipt_url", "paid_at", "entry_moment", "taken_back",
)  # fmt: skip
_ACCOUNT_COLUMNS: Final = ("id", "role", "status", "display_name", "is_demo", "created_at")
_SECRET_COLUMNS: Final = ("secret_hash", "context_id")
"""Of API keys: told by a function to the login that authenticates, and readable by nobody."""

_FUNCTIONS: Final = {
    Login.USER: (
        "caller_account_id", "caller_is_admin", "caller_key_number", "settle_purses_in_sight",
        "create_api_key", "update_api_key", "revoke_api_key", "fund_api_key",
        "begin_payment",
        "budget_period_end",
    ),
    Login.ADMIN: (
        "caller_account_id", "caller_is_admin", "settle_purses_in_sight", "require_admin",
        "post_by_admin", "refund_charge", "save_model", "set_model_price", "suspend_account",
        "reinstate_account", "acknowledge_alert", "find_accounts",
        "budget_period_end",
    ),
    Login.AUTH: (
        "open_account", "start_session", "sessions_in_force", "account_of_email",
        "refresh_session", "end_sessions", "password_of_email", "password_of_session",
        "start_password_session", "set_password", "sign_up", "promise_mail", "claim_mails",
        "mint_link", "finish_mail", "redeem_link", "forget_sign_ins", "api_keys_in_force",
        "note_key_uses", "take_allowances", "forget_buckets",
        "adopt_identity", "enter_from_outside",
    ),
    Login.WORKER: (
        "take_hold", "end_hold", "apply", "apply_carefully", "due_holds", "settle_due_purses",
        "find_answer", "forget_texts", "ensure_partitions", "keep_reply", "find_reply",
        "forget_replies",
        "empty_revoked_keys", "collect_owed", "usage_horizon", "fold_usage",
        "renew_lease", "end_lease", "give_up_lost_answers", "waiting_answers", "keep_question",
        "claim_answers", "held_answer", "hand_back_answer", "withdraw_answer", "request_cancel",
        "answer_of_key",
        "look_for_pieces", "answers_followed", "add_pieces", "remove_pieces", "forget_pieces",
        "purse_moments", "available_credits", "alerts_revision", "last_book_check",
        "wish_events", "spread_events", "event_to_deliver", "note_delivery_try", "forget_events",
        "begin_look", "known_conditions", "tell_condition", "note_condition", "end_condition",
        "recent_attempts", "overdue_holds", "answer_backlog", "add_sightings", "recent_sightings",
        "recent_reuses", "recent_spending", "recent_imbalances", "forget_alerts",
        "dead_deliveries", "events_wanted",
        "apply_and_tell", "apply_carefully_and_tell", "tell_of_end",
    ),
    Login.PAYMENTS: (
        "open_purse", "move_credits", "transfer_credits", "attach_checkout", "find_payments",
        "find_charge", "find_customer", "payments_since", "may_look_at_payment",
        "payments_to_look_at", "has_heard", "raise_alert", "sandbox_charge",
        "sandbox_charges_since", "keep_sandbox_charge", "settle_payment", "payment_revisions",
    ),
}  # fmt: skip


def expected_grants() -> Iterator[str]:
    """Every right that somebody other than the owner has on anything of ours."""
    for login in Login:
        yield f"USAGE on schema tallystick to {login}"
        yield from (f"EXECUTE on {function} to {login}" for function in _FUNCTIONS[login])
    for name in _READABLE:
        yield f"SELECT on {name} to {Login.USER}"
    for name in (*_READABLE, *_FOR_ADMINS):
        yield f"SELECT on {name} to {Login.ADMIN}"
    yield from (f"SELECT on accounts.{name} to {Login.USER}" for name in _ACCOUNT_COLUMNS)
    for column in metadata.tables["tallystick.api_keys"].columns:
        if column.name not in _SECRET_COLUMNS:
            yield f"SELECT on api_keys.{column.name} to {Login.USER}"
            yield f"SELECT on api_keys.{column.name} to {Login.ADMIN}"
    yield from (f"SELECT on payments.{name} to {Login.USER}" for name in _PAYMENT_COLUMNS)
    for table in ("usage_records", "usage_folds"):
        for column in metadata.tables[f"tallystick.{table}"].columns:
            if column.name != "provider_cost":
                yield f"SELECT on {table}.{column.name} to {Login.USER}"


def expected_constraints() -> Iterator[str]:
    """Every constraint by name, and by the table or domain it is of."""
    yield from _OF_DOMAINS
    for table in metadata.sorted_tables:
        if table.info != VIEW:
            yield from (f"{table.name}.{name}" for name in _names(table))


def _names(table: Table) -> Iterator[str]:
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint):
            yield f"{table.name}_pkey"
        elif constraint.name is not None:
            yield str(constraint.name)


DEFENCES: Final = (
    Rule(
        "Every constraint is in force, for the rows that were there before as well.",
        """
SELECT expected, 'the constraint is missing or was never checked'
  FROM unnest($2::text[]) AS expected
 WHERE expected NOT IN (
   SELECT format('%s.%s', coalesce(relname, typname), conname)
     FROM pg_constraint
     LEFT JOIN pg_class r ON r.oid = conrelid
     LEFT JOIN pg_type t ON t.oid = contypid
    WHERE connamespace = 'tallystick'::regnamespace AND convalidated)""",
        (sorted(expected_constraints()),),
    ),
    Rule(
        "Triggers refuse every change of history.",
        """
SELECT format('%s.%s', history.id::regclass, name), 'the trigger is missing or disabled'
  FROM (SELECT format('tallystick.%I', unnest($2::text[]))::regclass::oid AS id
        UNION ALL
        SELECT inhrelid FROM pg_inherits
         WHERE inhparent = ANY (SELECT format('tallystick.%I', unnest($2::text[]))::regclass)
           AND inhrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')) history
 CROSS JOIN unnest(ARRAY['is_never_changed', 'is_never_truncated']) AS name
 WHERE NOT EXISTS (
   SELECT FROM pg_trigger t
    WHERE t.tgrelid = history.id AND t.tgname = name AND t.tgenabled IN ('O', 'A')
      AND t.tgfoid = 'tallystick.append_only'::regproc)""",
        (list(HISTORY),),
    ),
    Rule(
        "Row-level security is forced on every table.",
        """
SELECT relname, format('enabled %s, forced %s', relrowsecurity, relforcerowsecurity)
  FROM pg_class
 WHERE relnamespace = 'tallystick'::regnamespace AND relkind IN ('r', 'p')
   AND relname <> 'alembic_version' AND NOT (relrowsecurity AND relforcerowsecurity)""",
    ),
    Rule(
        "Policies let the owner keep the books, and others read what is theirs or public.",
        """
SELECT format('%s.%s', tablename, policyname),
       format('%s by %s where %s', cmd, roles, coalesce(qual, 'nothing is asked'))
  FROM pg_policies
 WHERE schemaname = 'tallystick' AND roles <> ARRAY[$2::name]
   AND NOT (cmd = 'SELECT' AND CASE
       WHEN tablename IN ('models', 'model_prices', 'sweep_mark', 'fold_mark')
            AND qual = 'true' THEN true
       WHEN roles = ARRAY[$3::name] AND tablename = 'accounts'
       THEN qual ~ '^\\(id = \\( SELECT caller_account_id\\(\\) AS \\w+\\)\\)$'
       WHEN roles = ARRAY[$3::name]  -- of its account, and nothing but its own to an API key
       THEN qual ~ ('^\\(\\(account_id = \\( SELECT caller_account_id\\(\\) AS \\w+\\)\\)'
                    ' AND .*\\( SELECT caller_key_number\\(\\) AS \\w+\\).*\\)$')
       WHEN roles = ARRAY[$4::name]
       THEN qual ~ '^\\( SELECT caller_is_admin\\(\\) AS \\w+\\)$'
       ELSE false END)""",
        (OWNER, Login.USER, Login.ADMIN),
    ),
    Rule(
        "The view of answers sees what its reader may see.",
        """
SELECT relname, 'the view does not run with the rights of its reader'
  FROM pg_class
 WHERE relnamespace = 'tallystick'::regnamespace AND relkind = 'v'
   AND 'security_invoker=true' <> ALL (coalesce(reloptions, '{}'))""",
    ),
    Rule(
        "Everything belongs to the owner, who cannot log in.",
        """
SELECT name, format('belongs to %s', pg_get_userbyid(owner))
  FROM (SELECT relname AS name, relowner AS owner FROM pg_class
         WHERE relnamespace = 'tallystick'::regnamespace
        UNION ALL
        SELECT proname, proowner FROM pg_proc WHERE pronamespace = 'tallystick'::regnamespace
        UNION ALL
        SELECT nspname, nspowner FROM pg_namespace WHERE nspname = 'tallystick') ours
 WHERE pg_get_userbyid(owner) <> $2
UNION ALL
SELECT rolname, 'the owner can log in, or passes row-level security' FROM pg_roles
 WHERE rolname = $2 AND (rolcanlogin OR rolsuper OR rolbypassrls)""",
        (OWNER,),
    ),
    Rule(
        "No login of ours can become more than it is.",
        """
SELECT rolname,
       format('superuser %s, passes row-level security %s, makes roles %s, acts as owner %s',
              rolsuper, rolbypassrls, rolcreaterole, pg_has_role(oid, $3, 'MEMBER'))
  FROM pg_roles
 WHERE rolname = ANY ($2)
   AND (rolsuper OR rolbypassrls OR rolcreaterole OR pg_has_role(oid, $3, 'MEMBER'))""",
        (list(Login), OWNER),
    ),
    Rule(
        "Functions look up names in our schema only.",
        """
SELECT proname, 'its search_path is not pinned' FROM pg_proc
 WHERE pronamespace = 'tallystick'::regnamespace
   AND 'search_path=tallystick, pg_temp' <> ALL (coalesce(proconfig, '{}'))""",
    ),
    Rule(
        "Everybody has the rights that the logins need, and no other.",
        """
SELECT coalesce(expected, actual),
       CASE WHEN actual IS NULL THEN 'is missing' ELSE 'is too much' END
  FROM unnest($2::text[]) AS expected
  FULL JOIN (
    SELECT format('%s on %s to %s', privilege_type, name,
                  CASE grantee WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(grantee) END) AS actual
      FROM (SELECT relname AS name, relowner AS owner, relacl AS acl FROM pg_class
             WHERE relnamespace = 'tallystick'::regnamespace
            UNION ALL
            SELECT format('%s.%s', relname, attname), relowner, attacl
              FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
             WHERE relnamespace = 'tallystick'::regnamespace
            UNION ALL
            SELECT proname, proowner, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
             WHERE pronamespace = 'tallystick'::regnamespace
            UNION ALL
            SELECT 'schema ' || nspname, nspowner, nspacl FROM pg_namespace
             WHERE nspname = 'tallystick') ours
     CROSS JOIN aclexplode(acl)
     WHERE grantee <> owner) granted ON actual = expected
 WHERE actual IS NULL OR expected IS NULL""",
        (sorted(expected_grants()),),
    ),
)
