"""Budgets of API keys: taken in the commit of the hold, and given back in that of its end.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

from migrations.reading import function, replacing, statements

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FUNCTIONS = ("take_budgets", "return_budgets")

HOOKED = {
    "take_hold": "0001",
    "end_hold": "0001",
    "apply": "0008",
    "apply_carefully": "0008",
    "record_refusals": "0001",
}
"""Functions of the hot path, which ask for budgets where an API key is in the batch, and the
folders in which they did not yet."""


def upgrade() -> None:
    """Make what counts, then what calls it; budgets set meanwhile are counted once more."""
    for name in (*FUNCTIONS, *HOOKED):
        op.execute(function(f"0009/{name}"))
    for statement in statements("0009/grants"):
        op.execute(statement)
    op.execute("SELECT set_budget(account_id, key_number, amount_max, period) FROM key_budgets")


def downgrade() -> None:
    """Let keys spend without being counted again."""
    for name, before in HOOKED.items():
        op.execute(replacing(f"{before}/{name}"))
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.execute(
        "REVOKE EXECUTE ON FUNCTION budget_period_end FROM tallystick_user, tallystick_admin"
    )
