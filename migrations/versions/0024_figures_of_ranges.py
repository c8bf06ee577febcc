"""Figures of the business are read from indexes of their own, whatever the age of the log.

Revision ID: 0024
Revises: 0023
"""

from alembic import op

from migrations.reading import statements

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

INDEXES = (
    "accounts_in_order",
    "entries_that_give",
    "payments_that_were_paid",
    "usage_folds_of_days",
)


def upgrade() -> None:
    for statement in statements("0024/tables"):
        op.execute(statement)


def downgrade() -> None:
    """Read the same, for longer."""
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
