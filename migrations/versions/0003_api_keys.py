"""API keys: who may use them for what, budgets, credits of their own, and what they see.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

from migrations.reading import function, replacing, statements

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "caller_key_number",
    "require_session",
    "require_models",
    "note_key_change",
    "budget_period_start",
    "budget_period_end",
    "set_budget",
    "return_own_credits",
    "create_api_key",
    "update_api_key",
    "revoke_api_key",
    "fund_api_key",
    "empty_revoked_keys",
    "api_keys_in_force",
    "note_key_uses",
)

REPLACED = ("caller_account_id", "caller_is_admin", "refund_charge")
"""Functions that were there before, and have to know of keys."""


def upgrade() -> None:
    """Make the tables, then what uses them, then the policies that ask for keys."""
    for statement in statements("0003/tables"):
        op.execute(statement)
    for name in (*FUNCTIONS, *REPLACED):
        op.execute(function(f"0003/{name}"))
    for name in ("policies", "grants"):
        for statement in statements(f"0003/{name}"):
            op.execute(statement)


def downgrade() -> None:
    """Remove the keys; what was done with them stays in the books under their numbers."""
    op.execute("DROP TABLE key_budgets, api_keys CASCADE")
    for statement in statements("0003/policies_before"):
        op.execute(statement)
    for name in REPLACED:
        op.execute(replacing(f"0001/{name}"))
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name} CASCADE")
    op.execute("DROP INDEX holds_of_a_key, usage_records_of_a_key")
