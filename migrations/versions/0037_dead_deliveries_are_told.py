"""Whoever looks after the system sees which endpoints were given up on.

Revision ID: 0037
Revises: 0036
"""

from alembic import op

from migrations.reading import function, statements

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0037/dead_deliveries"))
    for statement in statements("0037/grants"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION dead_deliveries")
