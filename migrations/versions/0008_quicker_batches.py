"""Batches of the hot path travel as a few flat arrays, and lock each balance once.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

from migrations.reading import function

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BEFORE = ("apply", "apply_carefully", "record_attempts")
NEW = ("column_of", "words_of", "record_attempts", "apply", "apply_carefully")
GRANT = "GRANT EXECUTE ON FUNCTION apply, apply_carefully TO tallystick_worker"


def upgrade() -> None:
    for name in BEFORE:
        op.execute(f"DROP FUNCTION {name}")
    for name in NEW:
        op.execute(function(f"0008/{name}"))
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    op.execute(GRANT)


def downgrade() -> None:
    """Go back to a column an argument; no row is touched."""
    for name in reversed(NEW):
        op.execute(f"DROP FUNCTION {name}")
    for name in reversed(BEFORE):
        op.execute(function(f"0001/{name}"))
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    op.execute(GRANT)
