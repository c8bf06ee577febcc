"""Leases of the processes that run answers, the queue of answers that wait, requests to cancel.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

from migrations.reading import function, statements

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "renew_lease",
    "end_lease",
    "give_up_lost_answers",
    "waiting_answers",
    "keep_question",
    "claim_answers",
    "hand_back_answer",
    "withdraw_answer",
    "request_cancel",
)
TABLES = ("cancel_requests", "waiting_questions", "runners")


def upgrade() -> None:
    for statement in statements("0006/tables"):
        op.execute(statement)
    for name in FUNCTIONS:
        op.execute(function(f"0006/{name}"))
    for statement in statements("0006/grants"):
        op.execute(statement)


def downgrade() -> None:
    """Forget what waits: its answers fail when their holds run out, and are free."""
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
