"""People whom other issuers vouch for.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

from migrations.reading import function, replacing, statements

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NEW = ("adopt_identity", "enter_from_outside")
CHANGED = ("end_sessions", "set_password")


def upgrade() -> None:
    """Add identities, and have everything that ends all sessions end their tokens too."""
    for statement in statements("0010/tables"):
        op.execute(statement)
    for name in NEW:
        op.execute(function(f"0010/{name}"))
    for name in CHANGED:
        op.execute(replacing(f"0010/{name}"))
    for statement in statements("0010/grants"):
        op.execute(statement)


def downgrade() -> None:
    """Forget who came from outside; their accounts stay."""
    for name in reversed(NEW):
        op.execute(f"DROP FUNCTION {name}")
    for name in CHANGED:
        op.execute(replacing(f"0004/{name}"))
    op.execute("DROP TABLE outside_identities")
