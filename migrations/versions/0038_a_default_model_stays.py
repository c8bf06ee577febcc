"""The default model stays the default until another one is made it.

Revision ID: 0038
Revises: 0037
"""

from alembic import op

from migrations.reading import replacing

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(replacing("0038/save_model"))


def downgrade() -> None:
    op.execute(replacing("0001/save_model"))
