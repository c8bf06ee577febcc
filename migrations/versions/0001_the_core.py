"""The core: accounts, the ledger, answers, usage, models, prices and the audit log.

Revision ID: 0001
Revises:
"""

from alembic import op

from migrations.reading import function, statements

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FUNCTIONS = (
    "append_only",
    "caller_account_id",
    "caller_is_admin",
    "attribute_spend",
    "post_entry",
    "settle_purse",
    "settle_purses_in_sight",
    "settle_due_purses",
    "post_credit",
    "post_debit",
    "known_key",
    "move_credits",
    "transfer_credits",
    "open_purse",
    "open_account",
    "start_session",
    "sessions_in_force",
    "account_of_email",
    "set_role",
    "require_admin",
    "post_by_admin",
    "refund_charge",
    "put_model",
    "set_model_price",
    "save_model",
    "record_attempts",
    "record_refusals",
    "take_hold",
    "end_hold",
    "apply",
    "apply_carefully",
    "due_holds",
    "find_answer",
    "forget_texts",
    "ensure_partitions",
)

TABLES = (
    "audit_entries",
    "usage_hours",
    "usage_records",
    "model_prices",
    "models",
    "idempotency_keys",
    "answer_texts",
    "sweep_mark",
    "lots",
    "holds",
    "entries",
    "balances",
    "sessions",
    "account_contacts",
    "accounts",
)

DOMAINS = ("hold_status", "entry_kind", "some_credits", "credits")


def upgrade() -> None:
    """Make everything the core needs, with partitions from last month to a quarter ahead."""
    for statement in statements("0001/tables"):
        op.execute(statement)
    for name in FUNCTIONS:
        op.execute(function(f"0001/{name}"))
    for name in ("policies", "grants"):
        for statement in statements(f"0001/{name}"):
            op.execute(statement)
    op.execute("SELECT ensure_partitions(now() - interval '1 month', now() + interval '3 months')")


def downgrade() -> None:
    """Remove all of it, books included."""
    op.execute("DROP VIEW answers CASCADE")
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION IF EXISTS {name} CASCADE")
    for table in TABLES:
        op.execute(f"DROP TABLE {table} CASCADE")
    for domain in DOMAINS:
        op.execute(f"DROP DOMAIN {domain}")
