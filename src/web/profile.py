"""``GET /profile``."""

from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, get

from application.profile import ReadProfile
from domain.errors import SessionRevoked
from domain.identity import Role
from web.authentication import SessionRequest
from web.bodies import MoneyText, wire
from web.endpoints import Currency, inject
from web.openapi import problems


class ProfileOut(msgspec.Struct):
    """The session's user, as the database has them."""

    id: UUID
    username: str | None
    full_name: str | None
    avatar_url: str | None
    role: Role
    balance: MoneyText
    currency: str
    banned: bool


class ProfileController(Controller):
    """The caller's own account."""

    path = "/profile"
    tags = ("profile",)

    @get(
        responses=problems(SessionRevoked.code),
        operation_id="readProfile",
        summary="Your profile, role and balance",
    )
    @inject
    async def read(
        self,
        request: SessionRequest,
        read_profile: FromDishka[ReadProfile],
        currency: FromDishka[Currency],
    ) -> Response[ProfileOut]:
        """Read the profile of the session's user. The first call makes it, with an empty wallet."""
        return wire(ProfileOut, {**await read_profile(request.user), "currency": currency})
