"""Policies are worded so that a page of history is read in its order, whatever its length.

Revision ID: 0015
Revises: 0014
"""

from alembic import op

from migrations.reading import statements

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in statements("0015/policies"):
        op.execute(statement)


def downgrade() -> None:
    """Word them as before."""
    for statement in statements("0015/policies_before"):
        op.execute(statement)
