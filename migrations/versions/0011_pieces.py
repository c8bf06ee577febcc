"""Pieces of answers for those who follow them in another process than their runner's.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

from migrations.reading import function, statements

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "look_for_pieces",
    "answers_followed",
    "add_pieces",
    "remove_pieces",
    "forget_pieces",
    "purse_moments",
)


def upgrade() -> None:
    for statement in statements("0011/tables"):
        op.execute(statement)
    for name in FUNCTIONS:
        op.execute(function(f"0011/{name}"))
    for statement in statements("0011/grants"):
        op.execute(statement)


def downgrade() -> None:
    """Forget the pieces; texts of finished answers are kept elsewhere."""
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP TABLE answer_followers")
    op.execute("DROP TABLE answer_pieces")
