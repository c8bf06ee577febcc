"""Replies to calls that were passed on, kept for a while for whoever repeats a call by its key.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from migrations.reading import function, statements

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FUNCTIONS = ("keep_reply", "find_reply", "forget_replies")


def upgrade() -> None:
    for statement in statements("0002/tables"):
        op.execute(statement)
    for name in FUNCTIONS:
        op.execute(function(f"0002/{name}"))
    for statement in statements("0002/grants"):
        op.execute(statement)


def downgrade() -> None:
    """Forget the replies; what was charged for them stays in the books."""
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP TABLE answer_replies")
