"""A prompt that a provider rejects is no failure of the provider.

Revision ID: 0035
Revises: 0034
"""

from alembic import op

from migrations.reading import replacing

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(replacing("0035/recent_attempts"))


def downgrade() -> None:
    op.execute(replacing("0020/recent_attempts"))
