"""The system looks at how it stands, and raises alerts.

Revision ID: 0020
Revises: 0019
"""

from alembic import op

from migrations.reading import function, statements

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "begin_look",
    "known_conditions",
    "tell_condition",
    "note_condition",
    "end_condition",
    "recent_attempts",
    "overdue_holds",
    "answer_backlog",
    "add_sightings",
    "recent_sightings",
    "recent_reuses",
    "recent_spending",
)


def upgrade() -> None:
    for statement in statements("0020/tables"):
        op.execute(statement)
    for name in FUNCTIONS:
        op.execute(function(f"0020/{name}"))
    for statement in statements("0020/grants"):
        op.execute(statement)


def downgrade() -> None:
    """Keep the alerts, and forget what of them lasts."""
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP INDEX usage_hours_by_time")
    op.execute("DROP TABLE sightings")
    op.execute("DROP TABLE alert_conditions")
    op.execute("DROP TABLE looks")
