"""Credits that are taken back again keep the time that was added to their validity before.

Revision ID: 0039
Revises: 0038
"""

from alembic import op

from migrations.reading import replacing

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(replacing("0039/settle_payment"))


def downgrade() -> None:
    op.execute(replacing("0017/settle_payment"))
