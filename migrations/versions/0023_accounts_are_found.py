"""Accounts are found by how their address or name begins, however many there are.

Revision ID: 0023
Revises: 0022
"""

from alembic import op

from migrations.reading import function, statements

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in statements("0023/tables"):
        op.execute(statement)
    op.execute(function("0023/find_accounts"))
    for statement in statements("0023/grants"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION find_accounts")
    op.execute("DROP INDEX accounts_by_beginning")
    op.execute("DROP INDEX account_contacts_by_beginning")
