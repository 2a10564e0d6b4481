"""``/vault/users``: find users, change their role, ban them."""

from datetime import datetime
from typing import Self
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, delete, get, put
from litestar.params import JSONBody

from application.ports import PageRequest, Position
from application.vault.reading import ReadVault, UserFilter
from application.vault.users import ChangeUser, UserView
from domain.errors import InvalidCursor, UserNotFound
from domain.identity import Role
from domain.policies import Action, error_codes
from web.authentication import SessionRequest
from web.bodies import MoneyText, ReasonField
from web.endpoints import Currency, inject
from web.headers import request_info
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.query import SearchQuery, UuidPath

_READ = error_codes(Action.READ_USERS)


class BanOut(msgspec.Struct):
    """Why a user is banned, by whom and since when."""

    reason: str
    banned_by: UUID
    banned_at: datetime


class UserOut(msgspec.Struct, omit_defaults=True):
    """A user as the vault sees them.

    ``banned`` without a ``ban`` means one of Supabase Auth's. ``balance`` and ``currency`` are there for admins only.
    """

    id: UUID
    username: str | None
    full_name: str | None
    avatar_url: str | None
    role: Role
    created_at: datetime
    banned: bool
    ban: BanOut | None
    balance: MoneyText | None = None
    currency: str | None = None

    @classmethod
    def of(cls, view: UserView, currency: str) -> Self:
        """The answer for a user, with the balance where the caller may see it."""
        user = view.user
        return cls(
            id=user.id,
            username=user.username,
            full_name=user.full_name,
            avatar_url=user.avatar_url,
            role=user.role,
            created_at=user.created_at,
            banned=user.banned,
            ban=None if user.ban is None else msgspec.convert(user.ban, BanOut, from_attributes=True),
            balance=str(user.balance) if view.with_balance else None,
            currency=currency if view.with_balance else None,
        )


class UserPageOut(msgspec.Struct):
    """Some users, newest first; ``next_cursor`` is null on the last page."""

    items: list[UserOut]
    next_cursor: str | None


class RoleIn(msgspec.Struct, forbid_unknown_fields=True):
    """The role that a user shall have."""

    role: Role


class BanIn(msgspec.Struct, forbid_unknown_fields=True):
    """Why a user shall be banned; staff see it."""

    reason: ReasonField


class UsersController(Controller):
    """Users, as moderators and admins see and change them."""

    path = "/vault/users"
    tags = ("vault",)

    @get(responses=problems(*_READ, InvalidCursor.code), operation_id="listUsers", summary="Find users")
    @inject
    async def users(
        self,
        request: SessionRequest,
        read_vault: FromDishka[ReadVault],
        cursors: FromDishka[Cursors],
        currency: FromDishka[Currency],
        search: SearchQuery = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> UserPageOut:
        """List users, newest first. For moderators; admins see balances.

        `query` is the beginning of a username or of a full name in any case, or a whole id.
        """
        wanted = UserFilter(search or None)
        scope = ("users", request.user.user_id, wanted)
        after = cursors.read(cursor, Position, of=scope)
        page = await read_vault.users(request.user, wanted, request_info(request), PageRequest(limit, after))
        shown = [UserOut.of(view, currency) for view in page.items]
        return UserPageOut(shown, cursors.next(page, of=scope))

    @get(
        "/{user_id:str}",
        responses=problems(*_READ, UserNotFound.code),
        operation_id="readUser",
        summary="One user",
    )
    @inject
    async def user(
        self,
        request: SessionRequest,
        read_vault: FromDishka[ReadVault],
        currency: FromDishka[Currency],
        user_id: UuidPath,
    ) -> UserOut:
        """Read a user's profile, role and ban. For moderators; admins see the balance."""
        view = await read_vault.user(request.user, UUID(user_id), request_info(request))
        return UserOut.of(view, currency)

    @put(
        "/{user_id:str}/role",
        responses=problems(*error_codes(Action.CHANGE_ROLE)),
        operation_id="changeRole",
        summary="Change a user's role",
    )
    @inject
    async def role(
        self,
        request: SessionRequest,
        change_user: FromDishka[ChangeUser],
        currency: FromDishka[Currency],
        user_id: UuidPath,
        data: JSONBody[RoleIn],
    ) -> UserOut:
        """Make somebody else a user, a moderator or an admin. For admins. It counts from the next request on."""
        view = await change_user.role(request.user, UUID(user_id), data.role, request_info(request))
        return UserOut.of(view, currency)

    @put(
        "/{user_id:str}/ban",
        responses=problems(*error_codes(Action.BAN_USER)),
        operation_id="banUser",
        summary="Ban a user",
    )
    @inject
    async def ban(
        self,
        request: SessionRequest,
        change_user: FromDishka[ChangeUser],
        currency: FromDishka[Currency],
        user_id: UuidPath,
        data: JSONBody[BanIn],
    ) -> UserOut:
        """Ban a user, who can still read and receive. For moderators; only admins ban staff."""
        view = await change_user.ban(request.user, UUID(user_id), data.reason, request_info(request))
        return UserOut.of(view, currency)

    @delete(
        "/{user_id:str}/ban",
        status_code=200,
        responses=problems(*error_codes(Action.LIFT_BAN)),
        operation_id="liftBan",
        summary="Lift a user's ban",
    )
    @inject
    async def lift(
        self,
        request: SessionRequest,
        change_user: FromDishka[ChangeUser],
        currency: FromDishka[Currency],
        user_id: UuidPath,
    ) -> UserOut:
        """Lift a ban; without one nothing changes. For whoever could have set it."""
        view = await change_user.lift_ban(request.user, UUID(user_id), request_info(request))
        return UserOut.of(view, currency)
