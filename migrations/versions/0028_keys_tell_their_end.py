"""Whoever looks up a key is told when it ends, so that streams end with it.

Revision ID: 0028
Revises: 0027
"""

from alembic import op

from migrations.reading import function

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it anew, since a function cannot be given another column."""
    _make("0028")


def downgrade() -> None:
    """Tell no more than before."""
    _make("0003")


def _make(folder: str) -> None:
    op.execute("DROP FUNCTION api_keys_in_force")
    op.execute(function(f"{folder}/api_keys_in_force"))
    op.execute("REVOKE ALL ON FUNCTION api_keys_in_force FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION api_keys_in_force TO tallystick_auth")
