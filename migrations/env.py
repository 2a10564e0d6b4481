"""How Alembic reaches the shared database: our tables only, one transaction for each migration.

``lingualink migrate`` hands over the address; plain ``alembic`` reads MIGRATION_DATABASE_URL.
"""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

SCHEMA = "private"


def migrate(connection: Connection) -> None:
    """Run the migrations on *connection*."""
    # Alembic keeps its version table in the schema that the first migration works in.
    with connection.begin():
        connection.execute(text(f"create schema if not exists {SCHEMA}"))
    context.configure(connection=connection, transaction_per_migration=True, version_table_schema=SCHEMA)
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    """Connect, and run."""
    url = context.config.get_main_option("sqlalchemy.url") or os.environ["MIGRATION_DATABASE_URL"]
    driver_url = "postgresql+asyncpg://" + url.split("://", 1)[1]
    engine = create_async_engine(driver_url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


def run_offline() -> None:
    """Print the SQL instead."""
    context.configure(dialect_name="postgresql", transaction_per_migration=True, version_table_schema=SCHEMA)
    context.execute(f"create schema if not exists {SCHEMA}")
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    asyncio.run(run_online())
