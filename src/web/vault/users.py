"""``/vault/users``: find users, change their role, ban them."""

from typing import Any
from uuid import UUID

from dishka import FromDishka
from litestar import Controller, Request, delete, get, put
from litestar.params import JSONBody

from application.vault.ban_user import BanUser, LiftBan
from application.vault.change_role import ChangeRole
from application.vault.ports import Position, UserFilter
from application.vault.read_users import ListUsers, ReadUser
from domain.identity import Principal
from web.bodies import strict_json
from web.fields import SearchQuery, UuidPath
from web.headers import origin
from web.injection import inject
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.settings import Currency
from web.vault.controller import CALLER
from web.vault.user_schemas import BanIn, RoleIn, UserOut, UserPageOut


class UsersController(Controller):
    """Users, as moderators and admins see and change them."""

    path = "/vault/users"
    tags = ["vault"]  # noqa: RUF012 - Litestar's form

    @get(responses=problems(*CALLER, "invalid_cursor"), operation_id="listUsers", summary="Find users")
    @inject
    async def users(
        self,
        request: Request[Principal, Any, Any],
        list_users: FromDishka[ListUsers],
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
        listed = ("users", request.user.user_id, wanted)
        page = await list_users(
            request.user,
            wanted,
            origin(request),
            after=cursors.read(cursor, Position, of=listed),
            limit=limit,
        )
        following = None if page.next_after is None else cursors.write(page.next_after, of=listed)
        return UserPageOut([UserOut.of(shown, currency) for shown in page.items], following)

    @get(
        "/{user_id:str}",
        responses=problems(*CALLER, "user_not_found"),
        operation_id="readUser",
        summary="One user",
    )
    @inject
    async def user(
        self,
        request: Request[Principal, Any, Any],
        read_user: FromDishka[ReadUser],
        currency: FromDishka[Currency],
        user_id: UuidPath,
    ) -> UserOut:
        """Read a user's profile, role and ban. For moderators; admins see the balance."""
        return UserOut.of(await read_user(request.user, UUID(user_id), origin(request)), currency)

    @put(
        "/{user_id:str}/role",
        before_request=strict_json,
        responses=problems(*CALLER, "last_admin", "user_not_found"),
        operation_id="changeRole",
        summary="Change a user's role",
    )
    @inject
    async def role(
        self,
        request: Request[Principal, Any, Any],
        change_role: FromDishka[ChangeRole],
        currency: FromDishka[Currency],
        user_id: UuidPath,
        data: JSONBody[RoleIn],
    ) -> UserOut:
        """Make somebody else a user, a moderator or an admin. For admins. It counts from the next request on."""
        shown = await change_role(request.user, UUID(user_id), data.role, origin(request))
        return UserOut.of(shown, currency)

    @put(
        "/{user_id:str}/ban",
        before_request=strict_json,
        responses=problems(*CALLER, "last_admin", "user_not_found"),
        operation_id="banUser",
        summary="Ban a user",
    )
    @inject
    async def ban(
        self,
        request: Request[Principal, Any, Any],
        ban_user: FromDishka[BanUser],
        currency: FromDishka[Currency],
        user_id: UuidPath,
        data: JSONBody[BanIn],
    ) -> UserOut:
        """Ban a user, who can still read and receive. For moderators; only admins ban staff."""
        shown = await ban_user(request.user, UUID(user_id), data.reason, origin(request))
        return UserOut.of(shown, currency)

    @delete(
        "/{user_id:str}/ban",
        status_code=200,
        responses=problems(*CALLER, "user_not_found"),
        operation_id="liftBan",
        summary="Lift a user's ban",
    )
    @inject
    async def lift(
        self,
        request: Request[Principal, Any, Any],
        lift_ban: FromDishka[LiftBan],
        currency: FromDishka[Currency],
        user_id: UuidPath,
    ) -> UserOut:
        """Lift a ban; without one nothing changes. For whoever could have set it."""
        return UserOut.of(await lift_ban(request.user, UUID(user_id), origin(request)), currency)
