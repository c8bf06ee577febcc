"""Accounts are found by how their address or name begins, however many there are.

Revision ID: 0022
Revises: 0021
"""

from alembic import op

from migrations.reading import function, statements

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in statements("0022/tables"):
        op.execute(statement)
    op.execute(function("0022/find_accounts"))
    for statement in statements("0022/grants"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION find_accounts")
    op.execute("DROP INDEX accounts_by_beginning")
    op.execute("DROP INDEX account_contacts_by_beginning")
