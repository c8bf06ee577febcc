"""Signing in: passwords, mailed links, sessions that are refreshed, suspensions.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

from migrations.reading import function, statements

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "start_session",
    "refresh_session",
    "end_sessions",
    "password_of_email",
    "password_of_session",
    "start_password_session",
    "set_password",
    "sign_up",
    "promise_mail",
    "claim_mails",
    "mint_link",
    "finish_mail",
    "redeem_link",
    "suspend_account",
    "reinstate_account",
    "forget_sign_ins",
)


def upgrade() -> None:
    """Add to sessions what refreshing needs, and the tables and functions of signing in."""
    for statement in statements("0004/tables"):
        op.execute(statement)
    # One more argument makes another function: the old one would make calls ambiguous.
    op.execute("DROP FUNCTION start_session")
    for name in FUNCTIONS:
        op.execute(function(f"0004/{name}"))
    for name in ("policies", "grants"):
        for statement in statements(f"0004/{name}"):
            op.execute(statement)


def downgrade() -> None:
    """Remove it again; sessions go on until they run out."""
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.execute(function("0001/start_session"))
    op.execute("REVOKE ALL ON FUNCTION start_session FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION start_session TO tallystick_auth")
    for table in ("mailed_links", "promised_mails", "passwords"):
        op.execute(f"DROP TABLE {table}")
    op.execute(
        "ALTER TABLE sessions DROP COLUMN method, DROP COLUMN family_hash,"
        " DROP COLUMN refresh_token_hash_before, DROP COLUMN refreshed_at"
    )
