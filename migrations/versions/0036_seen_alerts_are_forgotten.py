"""Alerts that somebody has seen long ago are forgotten.

Revision ID: 0036
Revises: 0035
"""

from alembic import op

from migrations.reading import function, statements

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0036/forget_alerts"))
    for statement in statements("0036/grants"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION forget_alerts")
