"""Refunds of an account take turns, so that a key used for two purses at once is told as that.

Revision ID: 0022
Revises: 0021
"""

from alembic import op

from migrations.reading import replacing

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lock the account's own balance, too."""
    op.execute(replacing("0022/refund_charge"))


def downgrade() -> None:
    """Lock the charged one only, as before."""
    op.execute(replacing("0003/refund_charge"))
