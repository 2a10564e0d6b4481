"""``lingualink``: the commands of operators and pipelines."""

import asyncio
import os
import sys

import click
import uvicorn

from bootstrap.app import create_app
from bootstrap.operator import grant_role_on
from domain.errors import DomainError
from domain.identity import Role
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
        proxy_headers=False,  # the application reads them, from the proxies that it is told to trust
        timeout_graceful_shutdown=20,
    )


@main.command()
@click.option("--sql", is_flag=True, help="Print the SQL instead of running it.")
def migrate(*, sql: bool) -> None:
    """Bring the shared database to head. Safe to start twice at once."""
    if sql:
        print_sql()
        return
    upgrade(_migration_url())
    click.echo("The database is at head.")


@main.command(name="grant-role")
@click.argument("who", metavar="USER_ID|E_MAIL")
@click.argument("role", type=click.Choice([role.value for role in Role]))
def grant_role(who: str, role: str) -> None:
    """Give somebody a role, as an operator: how the first admin comes to be. It is audited."""
    try:
        granted = asyncio.run(grant_role_on(_migration_url(), who, Role(role)))
    except DomainError as error:
        _fail(str(error))
        raise
    if granted.before is granted.after:
        click.echo(f"{granted.user_id} has the role {granted.after} already; nothing was changed.")
    else:
        click.echo(f"{granted.user_id} is {granted.after} now, was {granted.before}.")


def _migration_url() -> str:
    url = os.environ.get("MIGRATION_DATABASE_URL")
    if not url:
        _fail("These environment variables are not right:\n  MIGRATION_DATABASE_URL: is missing")
    return str(url)


def _settings() -> Settings:
    try:
        return Settings.load()
    except SettingsError as error:
        _fail(str(error))
        raise


def _fail(message: str) -> None:
    click.echo(message, err=True)
    sys.exit(1)
