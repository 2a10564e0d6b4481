"""How Alembic reaches the shared database: our tables only, one transaction for each migration, one runner at a time.

``lingualink migrate`` hands over the address; plain ``alembic`` reads MIGRATION_DATABASE_URL.
"""

import asyncio

from alembic import context
from sqlalchemy import Connection, text

from infrastructure.postgres.connections import create_migration_engine
from infrastructure.postgres.migrations import (
    ADDRESS,
    ADOPTING,
    CREATE_SCHEMA,
    REFUSE_FOREIGN_TABLES,
    SCHEMA,
    become_only_runner,
    refuse_foreign_tables,
    refuse_transaction_pooler,
)
from infrastructure.postgres.ownership import compare_options
from infrastructure.postgres.tables import Base
from infrastructure.settings import MigrationSettings

# For what runs outside a migration's own timeouts; each migration sets its own.
SESSION = ("set lock_timeout = '1s'", "set statement_timeout = '60s'")


def migrate(connection: Connection) -> None:
    """Run the migrations on *connection*."""
    with connection.begin():
        for setting in SESSION:
            connection.execute(text(setting))
    become_only_runner(connection)
    if not context.config.attributes.get(ADOPTING):
        refuse_foreign_tables(connection)
    with connection.begin():
        connection.execute(text(CREATE_SCHEMA))
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        version_table_schema=SCHEMA,
        **compare_options(),
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    """Connect, and run."""
    address = context.config.attributes.get(ADDRESS) or MigrationSettings.load().database
    await refuse_transaction_pooler(address)
    engine = create_migration_engine(address)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


def run_offline() -> None:
    """Print the SQL instead: for ``psql -v ON_ERROR_STOP=1``."""
    context.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},  # the others write every % twice
        transaction_per_migration=True,
        version_table_schema=SCHEMA,
    )
    for statement in (*SESSION, REFUSE_FOREIGN_TABLES, CREATE_SCHEMA):
        context.execute(statement)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    asyncio.run(run_online())
