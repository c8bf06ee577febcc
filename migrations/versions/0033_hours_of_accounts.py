"""Usage of accounts is added up by hours as well, as that of everybody is.

Revision ID: 0033
Revises: 0032
"""

from alembic import op

from migrations.reading import function

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the hours of what was folded already; whoever folds meanwhile waits or comes later."""
    op.execute("SELECT pg_advisory_xact_lock(20, 2)")
    op.execute(function("0033/fold_hours"))
    op.execute(function("0033/fold_usage"))


def downgrade() -> None:
    """Forget the hours; the quarters that they are the sums of stay."""
    op.execute("SELECT pg_advisory_xact_lock(20, 2)")
    op.execute(function("0032/fold_usage"))
    op.execute("DELETE FROM usage_folds WHERE account_id > 0 AND minutes = 60")
