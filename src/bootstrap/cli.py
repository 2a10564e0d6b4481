"""``lingualink``: the commands of operators and pipelines."""

import asyncio
import sys
from typing import NoReturn

import click

from bootstrap.doctor import report
from bootstrap.ledger import erase_user, reconcile
from bootstrap.outbox import outbox_report, retry_dead_letters
from bootstrap.relay import run_relay
from bootstrap.roles import grant_role
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
def relay() -> None:
    """Run a stand-alone realtime relay. SIGTERM ends it after the messages in flight."""
    settings = _settings()
    configure_logging(settings.lingualink_log_level)
    asyncio.run(run_relay(settings))


@main.group()
def outbox() -> None:
    """Events that could not be delivered."""


@outbox.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_outbox(*, as_json: bool) -> None:
    """List the events that Realtime refused, and say how many others are pending."""
    settings = _settings()
    click.echo(asyncio.run(outbox_report(settings, as_json=as_json)))


@outbox.command("retry")
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="Send all of them again.")
def retry_outbox(ids: tuple[int, ...], *, everything: bool) -> None:
    """Send dead letters again: those with these IDS, or --all."""
    if bool(ids) is everything:
        raise click.UsageError("Name the events, or say --all.")
    retried = asyncio.run(retry_dead_letters(_settings(), None if everything else ids))
    click.echo(f"Pending again: {len(retried)}.")
    if missing := sorted(set(ids) - set(retried)):
        _fail(f"Not dead-lettered: {', '.join(map(str, missing))}")


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


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--ledger", is_flag=True, help="Reconcile the whole ledger instead.")
def doctor(*, as_json: bool, ledger: bool) -> None:
    """Check configuration, database, Supabase, and what a client could still do. Changes nothing."""
    configure_logging("error")
    if ledger:
        sys.exit(reconcile(as_json=as_json))
    text, must_act = report(as_json=as_json)
    click.echo(text)
    sys.exit(must_act)


main.add_command(erase_user)
main.add_command(grant_role)


def _settings() -> Settings:
    try:
        return Settings.load()
    except SettingsError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)
