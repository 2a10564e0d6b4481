"""``lingualink``: the commands of operators and pipelines."""

import os
import sys

import click

from bootstrap.server import run
from infrastructure.postgres.migrations import print_sql, upgrade
from infrastructure.settings import Settings, SettingsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """LinguaLink's backend. Configured by the environment alone; see .env.example."""


@main.command()
def serve() -> None:
    """Run the production server. SIGTERM drains it; see docs/operations.md."""
    sys.exit(run(_settings()))


@main.command()
@click.option("--sql", is_flag=True, help="Print the SQL instead of running it.")
def migrate(*, sql: bool) -> None:
    """Bring the shared database to head. Safe to start twice at once."""
    if sql:
        print_sql()
        return
    url = os.environ.get("MIGRATION_DATABASE_URL")
    if not url:
        _fail("These environment variables are not right:\n  MIGRATION_DATABASE_URL: is missing")
    else:
        upgrade(url)
        click.echo("The database is at head.")


def _settings() -> Settings:
    try:
        return Settings.load()
    except SettingsError as error:
        _fail(str(error))
        raise


def _fail(message: str) -> None:
    click.echo(message, err=True)
    sys.exit(1)
