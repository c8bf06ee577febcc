"""Allowances that several processes share: how full each caller's bucket is.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

from migrations.reading import function, statements

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FUNCTIONS = ("take_allowances", "forget_buckets")


def upgrade() -> None:
    """Make the buckets, which only the login that authenticates fills."""
    for statement in statements("0007/tables"):
        op.execute(statement)
    for name in FUNCTIONS:
        op.execute(function(f"0007/{name}"))
    for statement in statements("0007/grants"):
        op.execute(statement)


def downgrade() -> None:
    """Forget how much everybody took lately."""
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP TABLE buckets")
