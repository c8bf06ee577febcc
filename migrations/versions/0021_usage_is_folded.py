"""Usage is added up behind the writes, with histograms, for each account and for everybody.

Revision ID: 0021
Revises: 0020
"""

from alembic import op

from migrations.reading import function, statements

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

FUNCTIONS = ("usage_horizon", "unfold_usage", "fold_usage")

HOOKED = {"apply": "0009", "apply_carefully": "0018", "end_hold": "0009"}
"""Writers of usage records, which say so before they read the clock, and the folders in which they
did not yet."""


def upgrade() -> None:
    """Make room; what was used until now is folded by whoever serves, a step after the other."""
    for name in HOOKED:
        op.execute(function(f"0021/{name}"))
    for statement in statements("0021/tables"):
        op.execute(statement)
    for name in FUNCTIONS:
        op.execute(function(f"0021/{name}"))
    for statement in statements("0021/grants"):
        op.execute(statement)


def downgrade() -> None:
    """Forget the sums; the records that they are of stay."""
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP TABLE fold_mark")
    op.execute("DROP TABLE usage_folds")
    for name, before in HOOKED.items():
        op.execute(function(f"{before}/{name}"))
