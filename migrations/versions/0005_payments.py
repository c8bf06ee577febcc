"""Payments, what goes back of them, and alerts.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

from migrations.reading import function, statements

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "post_purchase",
    "begin_payment",
    "attach_checkout",
    "find_payments",
    "find_charge",
    "find_customer",
    "payments_since",
    "may_look_at_payment",
    "payments_to_look_at",
    "has_heard",
    "raise_alert",
    "sandbox_charge",
    "sandbox_charges_since",
    "keep_sandbox_charge",
    "suspend_while_disputed",
    "take_back_credits",
    "settle_payment",
)

TABLES = (
    "sandbox_charges",
    "alerts",
    "payment_events",
    "payment_reversals",
    "payment_entries",
    "payments",
)


def upgrade() -> None:
    """Make the tables of payments, empty, and what works on them."""
    for statement in statements("0005/tables"):
        op.execute(statement)
    for name in FUNCTIONS:
        op.execute(function(f"0005/{name}"))
    for name in ("policies", "grants"):
        for statement in statements(f"0005/{name}"):
            op.execute(statement)


def downgrade() -> None:
    """Remove them; what they brought stays in the ledger."""
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
