"""A history that is folded for the first time is found by summaries of its pages.

Revision ID: 0029
Revises: 0028
"""

from alembic import op

from migrations.reading import function

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0029/fold_usage"))


def downgrade() -> None:
    """Fold as before, to the same effect."""
    op.execute(function("0026/fold_usage"))
