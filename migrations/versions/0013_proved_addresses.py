"""What was made under an address without proof ends when it is proved, API keys as well.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

from migrations.reading import replacing

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

CHANGED = ("redeem_link", "reinstate_account")


def upgrade() -> None:
    """End keys with the first proof, and tokens of other issuers with a suspension, for good."""
    for name in CHANGED:
        op.execute(replacing(f"0013/{name}"))


def downgrade() -> None:
    """Let them go on, as before."""
    for name in CHANGED:
        op.execute(replacing(f"0004/{name}"))
