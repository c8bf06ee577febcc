"""Alerts are followed and acknowledged, and the books' own checks are kept.

`book_checks` keeps what the running system found when it recomputed its books; `last_book_check()`
tells the worker login how they stood last, and administrators read the table.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

from migrations.reading import function, replacing, statements

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

NEW = ("acknowledge_alert", "alerts_revision", "last_book_check")


def upgrade() -> None:
    for statement in statements("0016/tables"):
        op.execute(statement)
    op.execute(replacing("0016/raise_alert"))
    for name in NEW:
        op.execute(function(f"0016/{name}"))
    for statement in statements("0016/grants"):
        op.execute(statement)


def downgrade() -> None:
    """Keep the alerts; nobody can follow or acknowledge them."""
    for name in reversed(NEW):
        op.execute(f"DROP FUNCTION {name}")
    op.execute(replacing("0005/raise_alert"))
    op.execute("DROP TABLE book_checks")
    op.execute("DROP INDEX alerts_are_told_in_order")
    op.execute("ALTER TABLE alerts DROP COLUMN revision")
