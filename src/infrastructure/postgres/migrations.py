"""Brings the shared database to head: one runner at a time, patient with locks, safe to kill and to start again."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import stamina
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import PoolerMode, find_pooler
from infrastructure.postgres.errors import LOCKED, postgres_error
from infrastructure.postgres.ownership import APP_POSTS, OUR_TABLES

SCHEMA = "private"
ADDRESS = "address"
"""Under which name Alembic's configuration holds the database's address, so that no text of it goes around."""
ADOPTING = "adopting"
"""Under which name it says that tables of the app's are expected."""
# One number for all runners of this project, whatever database they work on.
RUNNER_LOCK = 6_117_003
PATIENCE_S = 300.0
# Alembic keeps its version table in the schema that the first migration works in. "If not exists" would ask for the
# right to create one, even where there is nothing to do.
CREATE_SCHEMA = f"""
do $$
begin
  if to_regnamespace('{SCHEMA}') is null then
    create schema {SCHEMA};
  end if;
end
$$
"""


MADE_FIRST = ("private.schema_level", "private.adoption", "private.adoption_steps")
"""The tables of revision 0001, which an adoption lets run before it looks after the app's."""


def _array(names: Iterable[str]) -> str:
    quoted = ", ".join(f"'{name}'" for name in names)
    return f"array[{quoted}]"


FOREIGN_TABLES = "LLADP"
"""The SQLSTATE of the refusal below; of a class that PostgreSQL leaves to applications."""
# Before anything is made: the first revision would else stay behind when the second meets a table of that name. It
# stands in the printed SQL, too. Dynamic, because the version table may be missing.
REFUSE_FOREIGN_TABLES = f"""
do $$
declare
  done text := '';
  found text;
begin
  if to_regclass('{SCHEMA}.alembic_version') is not null then
    execute $q$select coalesce(max(version_num), '') from {SCHEMA}.alembic_version$q$ into done;
  end if;
  select string_agg(name, ', ' order by place) into found
  from unnest({_array((*OUR_TABLES, *APP_POSTS))}) with ordinality as t (name, place)
  where to_regclass(name) is not null and (done = '' or name <> all ({_array(MADE_FIRST)}));
  if done < '0002' and found is not null then
    raise exception using errcode = '{FOREIGN_TABLES}', message =
      'These tables are there already, and not from these migrations: ' || found
      || '. `lingualink adopt` takes them over; `lingualink adopt --report` shows what it finds.';
  end if;
end
$$
"""  # noqa: S608 - our own names


class MigrationRefused(Exception):
    """Nothing was done; the message is one line that says why."""


class AnotherRunner(Exception):
    """Somebody else migrates this database now."""


def migrations_folder() -> Path:
    """Where the revisions are: beside the source, or in the wheel."""
    packages = Path(__file__).parents[2]
    installed = packages / "lingualink_migrations"
    return installed if installed.is_dir() else packages.parent / "migrations"


def config_for(address: DatabaseAddress | None, *, adopting: bool = False) -> Config:
    """Alembic's configuration for the database at *address*; with none it only reads revisions, or prints them."""
    config = Config(attributes={ADDRESS: address, ADOPTING: adopting})
    config.set_main_option("script_location", str(migrations_folder()))
    return config


def head_level() -> int:
    """The schema level of the newest revision that came with this code."""
    head = ScriptDirectory.from_config(config_for(None)).get_current_head()
    return int(head or 0)


def upgrade(
    address: DatabaseAddress,
    revision: str = "head",
    *,
    patience: float = PATIENCE_S,
    adopting: bool = False,
) -> None:
    """Run every revision up to *revision* that is missing; a no-op the second time.

    Tables that it did not make are refused, unless an adoption has made them fit (*adopting*).

    A second runner waits for the first. A revision that does not get its locks within its timeout gives way to those
    who wait behind it, and is tried again, for *patience* seconds in all.

    Raises:
        MigrationRefused: the address is a transaction-mode pooler's, or tables are there that it did not make.
        AnotherRunner: the first runner did not finish in time.
        sqlalchemy.exc.DBAPIError: the database refused, or a lock was never free.
        OSError: no connection.
    """
    for attempt in patiently(will_pass, patience):
        with attempt:
            command.upgrade(config_for(address, adopting=adopting), revision)


def patiently(on: Any, patience: float) -> Any:
    """Attempts at what gives way to others, for *patience* seconds in all, as stamina has them.

    *on* says after which error there is another.
    """
    return stamina.retry_context(
        on=on, attempts=None, timeout=patience, wait_initial=0.2, wait_max=2.0, wait_jitter=0.3
    )


def print_sql(since: str | None = None) -> None:
    """Print the SQL of the revisions after *since*, or of all, to standard output; psql can run it."""
    command.upgrade(config_for(None), f"{since}:head" if since else "head", sql=True)


async def refuse_transaction_pooler(address: DatabaseAddress) -> None:
    """Return if a session on *address* is one session.

    Raises:
        MigrationRefused: it is a transaction-mode pooler's.
    """
    if address.has_transaction_port or await find_pooler(address) is PoolerMode.TRANSACTION:
        raise MigrationRefused(
            "MIGRATION_DATABASE_URL goes through a transaction-mode pooler, where locks and timeouts of a session do "
            "not hold: use the direct connection or the session-mode pooler (port 5432)."
        )


def become_only_runner(connection: Connection) -> None:
    """Take the runners' lock for as long as *connection* lives, on the server's side.

    It is the migrating connection's own: no second runner starts while what a killed one sent is still at work. It is
    never waited for inside a statement, whose snapshot would hold up CREATE INDEX CONCURRENTLY of the first runner.

    Raises:
        AnotherRunner: it is taken.
    """
    with connection.begin():
        if not connection.execute(text("select pg_try_advisory_lock(:lock)"), {"lock": RUNNER_LOCK}).scalar():
            raise AnotherRunner("another runner is migrating this database")


def refuse_foreign_tables(connection: Connection) -> None:
    """Return if the tables that are there were made by these migrations; nothing is changed.

    Raises:
        MigrationRefused: the database has tables of these names, or the app's posts, from somebody else.
    """
    try:
        with connection.begin():
            connection.execute(text(REFUSE_FOREIGN_TABLES))
    except DBAPIError as error:
        refused = postgres_error(error)
        if refused is None or refused.sqlstate != FOREIGN_TABLES:
            raise
        raise MigrationRefused(str(refused)) from None


def will_pass(error: Exception) -> bool:
    """Whether it is worth trying again: a lock that was not free, or another runner."""
    if isinstance(error, AnotherRunner):
        return True
    cause = postgres_error(error)
    return cause is not None and cause.sqlstate in LOCKED
