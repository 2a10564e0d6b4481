"""``lingualink grant-role``: how the first admin comes to be."""

import asyncio
from uuid import UUID, uuid4

import click

from application.vault.users import Granted, GrantRole
from domain.errors import DomainError
from domain.identity import Role
from infrastructure.postgres.directory import PostgresDirectory
from infrastructure.postgres.engine import create_pool
from infrastructure.postgres.errors import map_database_errors
from infrastructure.postgres.transactions import PostgresDatabase
from infrastructure.settings import SettingsError, migration_database_url


@click.command("grant-role")
@click.argument("who", metavar="USER_ID|E_MAIL")
@click.argument("role", type=click.Choice([role.value for role in Role]))
def grant_role(who: str, role: str) -> None:
    """Give somebody a role, as an operator with MIGRATION_DATABASE_URL. It is audited."""
    try:
        granted = asyncio.run(_grant(migration_database_url(), who, Role(role)))
    except (DomainError, SettingsError) as error:
        raise click.ClickException(str(error)) from None
    if granted.before is granted.after:
        click.echo(f"{granted.user_id} has the role {granted.after} already; nothing was changed.")
    else:
        click.echo(f"{granted.user_id} is {granted.after} now, was {granted.before}.")


async def _grant(url: str, who: str, role: Role) -> Granted:
    async with map_database_errors(), create_pool(url, "transaction", 1) as pool:
        grant = GrantRole(PostgresDatabase(pool, lambda _: None), PostgresDirectory(pool), uuid4)
        return await grant(_id_or_address(who), role)


def _id_or_address(who: str) -> UUID | str:
    """An operator may spell an id in any way."""
    try:
        return UUID(who)
    except ValueError:
        return who
