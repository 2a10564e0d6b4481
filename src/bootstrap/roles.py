"""``lingualink grant-role``: how the first admin comes to be."""

from uuid import UUID, uuid4

from application.vault.users import GrantRole
from domain.identity import Role
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import create_pool
from infrastructure.postgres.directory import PostgresDirectory
from infrastructure.postgres.errors import map_database_errors
from infrastructure.postgres.transactions import PostgresDatabase


async def grant(database: DatabaseAddress, who: str, role: str) -> str:
    """Give *who* (an id or an e-mail address) a role; what to say about it.

    Raises:
        DomainError: there is no such account, or nobody would be an admin any more.
    """
    async with map_database_errors(), create_pool(database, 1) as pool:
        grant_role = GrantRole(PostgresDatabase(pool, lambda _: None), PostgresDirectory(pool), uuid4)
        granted = await grant_role(_id_or_address(who), Role(role))
    if granted.before is granted.after:
        return f"{granted.user_id} has the role {granted.after} already; nothing was changed."
    return f"{granted.user_id} is {granted.after} now, was {granted.before}."


def _id_or_address(who: str) -> UUID | str:
    """An operator may spell an id in any way."""
    try:
        return UUID(who)
    except ValueError:
        return who
