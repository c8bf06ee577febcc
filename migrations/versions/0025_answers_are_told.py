"""Finished answers and low balances are told, in the commit of the batch that ends the holds.

The functions of the hot path stay as they are; whoever tells calls others around them.

Revision ID: 0025
Revises: 0024
"""

from alembic import op

from migrations.reading import function, replacing, statements

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

NEW = (
    "tell_of_low",
    "tell_of_answers",
    "tell_of_end",
    "apply_and_tell",
    "apply_carefully_and_tell",
)


def upgrade() -> None:
    for name in NEW:
        op.execute(function(f"0025/{name}"))
    op.execute(replacing("0025/post_entry"))
    for statement in statements("0025/grants"):
        op.execute(statement)


def downgrade() -> None:
    """Tell of payments and alerts only."""
    op.execute(replacing("0001/post_entry"))
    for name in reversed(NEW):
        op.execute(f"DROP FUNCTION {name}")
