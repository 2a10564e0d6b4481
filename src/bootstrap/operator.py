"""What operators do with the rights of the migrations, outside the running service."""

from uuid import UUID, uuid4

from application.vault.grant_role import Granted, GrantRole
from domain.identity import Role
from infrastructure.postgres.directory import PostgresDirectory
from infrastructure.postgres.engine import create_pool
from infrastructure.postgres.errors import translated
from infrastructure.postgres.unit_of_work import PostgresUnitOfWork


async def grant_role_on(url: str, who: str, role: Role) -> Granted:
    """Grant *role* to the account with the id or e-mail address *who*, on the database at *url*.

    Raises:
        DomainError: see :class:`application.vault.grant_role.GrantRole`.
    """
    async with translated(), create_pool(url, "transaction", 1) as pool:
        grant = GrantRole(lambda: PostgresUnitOfWork(pool, lambda _: None), PostgresDirectory(pool), uuid4)
        return await grant(_id_or_address(who), role)


def _id_or_address(who: str) -> UUID | str:
    """An operator may spell an id in any way."""
    try:
        return UUID(who)
    except ValueError:
        return who
