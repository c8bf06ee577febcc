"""Payments can be watched.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

from migrations.reading import function, statements

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Tell revisions of payments to the login that settles them."""
    op.execute(function("0012/payment_revisions"))
    for statement in statements("0012/grants"):
        op.execute(statement)


def downgrade() -> None:
    """Nobody watches payments."""
    op.execute("DROP FUNCTION payment_revisions")
