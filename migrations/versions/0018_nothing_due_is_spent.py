"""What has lapsed or is owed is never held anew, and holds are found by a clock that was set back.

Revision ID: 0018
Revises: 0017
"""

from alembic import op

from migrations.reading import replacing

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

BEFORE = {"apply_carefully": "0009", "take_back_credits": "0005", "due_holds": "0001"}


def upgrade() -> None:
    """Book what is due between ends and new holds, and repay before restored credits lapse."""
    for name in BEFORE:
        op.execute(replacing(f"0018/{name}"))


def downgrade() -> None:
    """Decide as before."""
    for name, folder in BEFORE.items():
        op.execute(replacing(f"{folder}/{name}"))
