"""A process without endpoints of its own asks what is told.

Revision ID: 0040
Revises: 0039
"""

from alembic import op

from migrations.reading import function, statements

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0040/events_wanted"))
    for statement in statements("0040/grants"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION events_wanted")
