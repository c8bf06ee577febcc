"""A repeated question finds its answer though its model cannot be asked any more.

Revision ID: 0041
Revises: 0040
"""

from alembic import op

from migrations.reading import function, statements

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(function("0041/answer_of_key"))
    for statement in statements("0041/grants"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION answer_of_key")
