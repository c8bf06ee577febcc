"""Runs migrations as the owner of the books, whatever login the operator gave us."""

from alembic import context
from sqlalchemy import Connection, text

from migrations.reading import function
from persistence.migrating import ROLES_ALONE
from persistence.tables import JOBS_SCHEMA, SCHEMA, metadata


def run(connection: Connection) -> None:
    """Bring the schema to the revision asked for: in one commit, one process at a time."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=SCHEMA,
        include_schemas=True,
    )
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('tallystick.migrating'))"))
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        connection.execute(text(function("0001/roles")))
        if context.config.attributes.get(ROLES_ALONE):
            return
        for schema in (SCHEMA, JOBS_SCHEMA):
            connection.execute(
                text(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION tallystick_owner")
            )
        connection.execute(text("SET LOCAL ROLE tallystick_owner"))
        connection.execute(text(f"SET LOCAL search_path = {SCHEMA}, pg_temp"))
        context.run_migrations()


run(context.config.attributes["connection"])
