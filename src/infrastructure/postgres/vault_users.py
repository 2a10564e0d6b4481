"""The vault's list of users: profile, bans and balance in one statement."""

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from application.vault.ports import Position, UserFilter
from domain.profile import User
from infrastructure.postgres.rows import user_of
from infrastructure.postgres.tables import BanRow, ProfileRow, WalletRow

_ID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_PLAN_ANEW: Final = text("set local plan_cache_mode = force_custom_plan")
_LAST: Final = "\U0010ffff"


def _users() -> Any:
    return (
        select(
            *(ProfileRow.id, ProfileRow.username, ProfileRow.full_name, ProfileRow.avatar_url),
            *(ProfileRow.role, ProfileRow.created_at),
            *(BanRow.reason, BanRow.banned_by, BanRow.banned_at),
            WalletRow.balance,
            func.private.account_status(ProfileRow.id, None).label("account_status"),
        )
        .outerjoin(BanRow, BanRow.user_id == ProfileRow.id)
        .outerjoin(WalletRow, WalletRow.user_id == ProfileRow.id)
    )


async def page(
    session: AsyncSession, wanted: UserFilter, after: Position | None, limit: int
) -> Sequence[User]:
    """At most *limit* users after *after*, newest first.

    Many matches are met soon along the index of the order, few are found through the indexes of the names: the
    planner knows which from its statistics, if it plans for this very prefix.
    """
    statement = _users().order_by(ProfileRow.created_at.desc(), ProfileRow.id.desc()).limit(limit)
    if wanted.query:
        await session.execute(_PLAN_ANEW)
        statement = statement.where(_matches(wanted.query))
    if after is not None:
        statement = statement.where(tuple_(ProfileRow.created_at, ProfileRow.id) < (after.at, after.id))
    return [user_of(row) for row in (await session.execute(statement)).mappings()]


async def find(session: AsyncSession, user_id: UUID) -> User | None:
    """The user with this id."""
    row = (await session.execute(_users().where(ProfileRow.id == user_id))).mappings().one_or_none()
    return None if row is None else user_of(row)


def _matches(query: str) -> ColumnElement[bool]:
    ways = [_begins(ProfileRow.username, query), _begins(ProfileRow.full_name, query)]
    if _ID.fullmatch(query):
        ways.append(ProfileRow.id == UUID(query))
    return or_(*ways)


def _begins(column: Any, prefix: str) -> ColumnElement[bool]:
    """Whether a column begins with *prefix*, in any case: a range of bytes, so there are no wildcards to escape."""
    name = func.lower(column)
    return name.op("~>=~")(func.lower(prefix)) & name.op("~<~")(func.lower(prefix + _LAST))
