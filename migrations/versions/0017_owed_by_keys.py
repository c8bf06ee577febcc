"""What an account owes is collected from the credits it moved to its keys, too.

Revision ID: 0017
Revises: 0016
"""

from alembic import op

from migrations.reading import function, replacing, statements

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what collects, then what calls it."""
    for name in ("collect_from_keys", "collect_owed"):
        op.execute(function(f"0017/{name}"))
    op.execute(replacing("0017/settle_payment"))
    for name in ("tables", "grants"):
        for statement in statements(f"0017/{name}"):
            op.execute(statement)


def downgrade() -> None:
    """Let keys keep what they have, as before."""
    op.execute(replacing("0005/settle_payment"))
    op.execute("DROP INDEX balances_that_owe")
    op.execute("DROP FUNCTION collect_owed")
    op.execute("DROP FUNCTION collect_from_keys")
