"""An answer whose hold was lost from sight is run under the terms of that hold.

Revision ID: 0034
Revises: 0033
"""

from alembic import op

from migrations.reading import function, statements

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0034/held_answer"))
    for statement in statements("0034/grants"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION held_answer")
