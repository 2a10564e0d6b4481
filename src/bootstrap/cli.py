"""``lingualink``: the commands of operators and pipelines."""

import asyncio
import os
import sys

import click
import uvicorn

from bootstrap.app import create_app
from bootstrap.outbox import outbox_report, retry_parked
from bootstrap.relay import run_relay
from infrastructure.postgres.migrations import print_sql, upgrade
from infrastructure.settings import Settings, SettingsError
from infrastructure.telemetry import configure_logging


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """LinguaLink's backend. Configured by the environment alone; see .env.example."""


@main.command()
def serve() -> None:
    """Run the production server."""
    settings = _settings()
    configure_logging(settings.lingualink_log_level)
    uvicorn.run(
        create_app(settings),
        host=settings.lingualink_host,
        port=settings.lingualink_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
    )


@main.command()
def relay() -> None:
    """Run a stand-alone realtime relay. SIGTERM ends it after the batch in hand."""
    settings = _settings()
    configure_logging(settings.lingualink_log_level)
    asyncio.run(run_relay(settings))


@main.group()
def outbox() -> None:
    """Events that could not be delivered."""


@outbox.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_outbox(*, as_json: bool) -> None:
    """List the events that Realtime refused, and say how many others are owed."""
    settings = _settings()
    click.echo(asyncio.run(outbox_report(settings, as_json=as_json)))


@outbox.command("retry")
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="Send all of them again.")
def retry_outbox(ids: tuple[int, ...], *, everything: bool) -> None:
    """Send parked events again: those with these IDS, or --all."""
    if bool(ids) is everything:
        raise click.UsageError("Name the events, or say --all.")
    retried = asyncio.run(retry_parked(_settings(), None if everything else ids))
    click.echo(f"Owed again: {len(retried)}.")
    if missing := sorted(set(ids) - set(retried)):
        _fail(f"Not parked: {', '.join(map(str, missing))}")


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
