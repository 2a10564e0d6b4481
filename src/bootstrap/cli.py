"""``lingualink``: the commands of operators and pipelines."""

import sys
from typing import NoReturn

import click

from bootstrap.ledger import erase_user, reconcile
from bootstrap.server import run
from infrastructure.postgres.migrations import (
    MIGRATION_ERRORS,
    migration_problem,
    print_sql,
    upgrade,
)
from infrastructure.settings import Settings, SettingsError, migration_database_url
from infrastructure.telemetry import configure_logging


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """LinguaLink's backend. Configured by the environment alone; see .env.example."""


@main.command()
def serve() -> None:
    """Run the production server. SIGTERM drains it; see docs/operations.md."""
    sys.exit(run(_settings()))


@main.command()
@click.option("--sql", is_flag=True, help="Print the SQL instead of running it; psql can run it.")
@click.option("--since", metavar="REVISION", help="With --sql: only what comes after this revision.")
def migrate(*, sql: bool, since: str | None) -> None:
    """Bring the shared database to head. Safe to start twice at once, and to kill."""
    if sql:
        print_sql(since)
        return
    configure_logging("error")  # a wait for a lock is no news; the result is one line
    try:
        upgrade(migration_database_url())
    except (*MIGRATION_ERRORS, SettingsError) as error:
        _fail(migration_problem(error))
    click.echo("The database is at head.")


main.add_command(reconcile)
main.add_command(erase_user)


def _settings() -> Settings:
    try:
        return Settings.load()
    except SettingsError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)
