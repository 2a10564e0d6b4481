"""Small things that use-cases and routes ask of the world."""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from domain.identity import Principal

NewId = Callable[[], UUID]
"""Makes an id that was never used before."""


class TokenVerifier(Protocol):
    """Tells a Supabase access token from anything else."""

    async def verify(self, token: str) -> Principal:
        """The session that *token* proves.

        Raises:
            ExpiredToken: it was good once.
            InvalidToken: it is anything else; the reason is logged and counted, never told.
            Unavailable: no signing key is known yet.
        """
        ...
