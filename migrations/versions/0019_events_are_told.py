"""What happens is told to the operator's systems: an outbox, deliveries, and a queue of jobs.

The queue is pgqueuer's, in a schema of its own beside the books.

Revision ID: 0019
Revises: 0018
"""

from alembic import op

from migrations.reading import function, statements

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "jobs_changed",
    "tell_event",
    "tell_of_payment",
    "tell_of_alert",
    "wish_events",
    "spread_events",
    "event_to_deliver",
    "note_delivery_try",
    "forget_events",
)
TABLES = ("delivery_tries", "event_deliveries", "told_events", "gone_endpoints", "event_wishes")
JOBS = ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics")


def upgrade() -> None:
    for name in ("tables", "jobs"):
        for statement in statements(f"0019/{name}"):
            op.execute(statement)
    for name in FUNCTIONS:
        op.execute(function(f"0019/{name}"))
    for name in ("triggers", "grants"):
        for statement in statements(f"0019/{name}"):
            op.execute(statement)


def downgrade() -> None:
    """Forget what was told and what is on its way."""
    op.execute("DROP TRIGGER is_told ON payments")
    op.execute("DROP TRIGGER is_told ON alerts")
    for name in JOBS:
        op.execute(f"DROP TABLE tallystick_jobs.{name}")
    op.execute("DROP TYPE tallystick_jobs.pgqueuer_status")
    op.execute("DROP FUNCTION tallystick_jobs.fn_pgqueuer_changed")
    for name in reversed(FUNCTIONS[1:]):
        op.execute(f"DROP FUNCTION {name}")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
