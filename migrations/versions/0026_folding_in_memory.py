"""Usage is folded in memory, and nothing is looked up that cannot be there.

Revision ID: 0026
Revises: 0025
"""

from alembic import op

from migrations.reading import function, replacing

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0026/fold_usage"))


def downgrade() -> None:
    """Fold as before, to the same effect."""
    op.execute(replacing("0021/fold_usage"))
