"""Balances are compared with their latest entries while the system runs.

Revision ID: 0031
Revises: 0030
"""

from alembic import op

from migrations.reading import function, statements

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0031/recent_imbalances"))
    for statement in statements("0031/grants"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION recent_imbalances")
