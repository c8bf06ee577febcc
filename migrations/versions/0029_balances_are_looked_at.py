"""Balances are compared with their latest entries while the system runs.

Revision ID: 0029
Revises: 0028
"""

from alembic import op

from migrations.reading import function, statements

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0029/recent_imbalances"))
    for statement in statements("0029/grants"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION recent_imbalances")
