"""What tells of answers is planned once a connection, not with every call.

PostgreSQL up to 17 plans a function in SQL anew whenever it is called.

Revision ID: 0027
Revises: 0026
"""

from alembic import op

from migrations.reading import replacing

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

FUNCTIONS = ("tell_event", "tell_of_low", "tell_of_answers")


def upgrade() -> None:
    for name in FUNCTIONS:
        op.execute(replacing(f"0027/{name}"))


def downgrade() -> None:
    """Plan them with every call."""
    op.execute(replacing("0019/tell_event"))
    for name in FUNCTIONS[1:]:
        op.execute(replacing(f"0025/{name}"))
