"""What a step of an adoption is: it may be killed at any moment, and run again until it is recorded as done."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg

from domain.identity import Role
from domain.money import Money
from domain.rewards import RewardedAction
from infrastructure.adoption.shape import Shape

Rates: TypeAlias = Mapping[RewardedAction, Money]
"""What is paid from now on, as an operator confirmed it."""
PATIENCE: Final = "1s"
"""How long a step waits for a lock: whoever comes after it waits as long."""
INDEX_PATIENCE: Final = "30s"
"""CREATE INDEX CONCURRENTLY waits for transactions, and nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What is taken over, and what the operator confirmed.

    ``shape`` was read at the start of this run. ``roles`` names all who are more than users, ``rates`` what is paid
    from now on.
    """

    shape: Shape
    roles: Mapping[UUID, Role] = field(default_factory=dict)
    rates: Rates = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One change, done once: ``name`` is what ``private.adoption_steps`` knows it by, ``what`` an operator's words.

    ``run`` must leave the same state however often it is started. In a transaction it is done and recorded together;
    outside one (CONCURRENTLY, batches) it is recorded after it returned. It waits a second for a lock and is tried
    again when it does not get it; building an index sets a longer time for itself.
    """

    name: str
    what: str
    run: Callable[[asyncpg.Connection, Adoption], Awaitable[object]]
    in_transaction: bool = True
    applies: Callable[[Shape], bool] = lambda _: True


async def in_batches(connection: asyncpg.Connection, statement: str, *arguments: object) -> None:
    """Run *statement* until nothing is left to do; each run commits by itself.

    It does so many people from the id $1 on, in the order of ids, and answers with the last one's, null where there was
    none: so a batch does not look again at those before it. Who came meanwhile is found by another pass.
    """
    is_left = True
    while is_left:
        is_left, since = False, UUID(int=0)
        while (last := await connection.fetchval(statement, since, *arguments)) is not None:
            is_left, since = True, last


_IS_VALID = "select indisvalid from pg_index where indexrelid = to_regclass($1)"


async def build_index(connection: asyncpg.Connection, name: str, on: str, *, unique: bool = False) -> None:
    """Build the index *name* in ``public`` without being in anybody's way; a half-built one is built anew.

    It waits for every transaction that is open, its own snapshot in nobody's way.
    """
    if await connection.fetchval(_IS_VALID, f"public.{name}"):
        return
    await connection.execute(f"set lock_timeout = '{INDEX_PATIENCE}'")
    try:
        await connection.execute(f"drop index concurrently if exists public.{name}")
        kind = "unique index" if unique else "index"
        await connection.execute(f"create {kind} concurrently {name} on {on}")
    finally:
        await connection.execute(f"set lock_timeout = '{PATIENCE}'")


def trigger(name: str, function: str, when: str, table: str) -> dict[str, str]:
    """A trigger as the doctor's catalogue names it, and as PostgreSQL prints it; it fires for replicas, too."""
    made = f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION private.{function}()"
    return {f"trigger {name} on {table}": f"{made}; alter table {table} enable always trigger {name}"}


async def attach(connection: asyncpg.Connection, triggers: Mapping[str, str]) -> None:
    """Make *triggers* (as the doctor's catalogue has them), one after the other: none waits for another's lock."""
    for sql in triggers.values():
        async with connection.transaction():
            await connection.execute(sql.replace("CREATE TRIGGER", "create or replace trigger"))
