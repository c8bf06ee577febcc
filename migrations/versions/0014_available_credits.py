"""What many accounts can spend now, for those who show it elsewhere.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

from migrations.reading import function, statements

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0014/available_credits"))
    for statement in statements("0014/grants"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION available_credits")
