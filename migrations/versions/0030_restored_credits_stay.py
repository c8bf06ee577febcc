"""Credits taken back after their payment's validity was over do not lapse when they are restored.

Revision ID: 0030
Revises: 0029
"""

from alembic import op

from migrations.reading import replacing

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Restore what was other credits, or owed, for good."""
    op.execute(replacing("0030/take_back_credits"))


def downgrade() -> None:
    """Let them lapse at once, as before."""
    op.execute(replacing("0018/take_back_credits"))
