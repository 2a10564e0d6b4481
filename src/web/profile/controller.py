"""``GET /profile``."""

from typing import Any

from dishka import FromDishka
from litestar import Controller, Request, get

from application.profile.read_profile import ReadProfile
from domain.identity import Principal
from web.injection import inject
from web.openapi import problems
from web.profile.schemas import ProfileOut
from web.settings import Currency


class ProfileController(Controller):
    """The caller's own account."""

    path = "/profile"
    tags = ["profile"]  # noqa: RUF012 - Litestar's form

    @get(responses=problems(), operation_id="readProfile", summary="Your profile, role and balance")
    @inject
    async def read(
        self,
        request: Request[Principal, Any, Any],
        read_profile: FromDishka[ReadProfile],
        currency: FromDishka[Currency],
    ) -> ProfileOut:
        """Read the profile of the session's user. The first call makes it, with an empty wallet."""
        return ProfileOut.of(await read_profile(request.user), currency)
