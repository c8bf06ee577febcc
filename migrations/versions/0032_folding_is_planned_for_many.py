"""Folding is planned for many records, whatever the statistics say.

Revision ID: 0032
Revises: 0031
"""

from alembic import op

from migrations.reading import function

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0032/fold_usage"))


def downgrade() -> None:
    """Fold as before, to the same effect."""
    op.execute(function("0029/fold_usage"))
