"""Realtime's reading of access tokens, and its words for the ones that it refuses."""

import time
from dataclasses import dataclass
from typing import Any

import jwt

from devstack.keys import SigningKey


class TokenError(Exception):
    """The token opens nothing: join replies name the *code* too, system messages do not."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Access:
    """Who a connection or a channel acts for."""

    token: str
    claims: dict[str, Any]

    @property
    def role(self) -> str:
        """The Postgres role that the token names."""
        return str(self.claims["role"])

    def seconds_left(self) -> float:
        """Until the token expires."""
        return float(self.claims["exp"]) - time.time()


def read_access(key: SigningKey, token: str) -> Access:
    """What a genuine token in time allows to act as.

    Raises:
        TokenError: it is malformed, somebody else's, without role or expiry, or expired.
    """
    try:
        claims = key.read(token)
    except jwt.InvalidSignatureError:
        raise TokenError("JwtSignatureError", "Failed to validate JWT signature") from None
    except jwt.InvalidAlgorithmError:
        raise TokenError("JwtSignerError", "Failed to generate JWT signer") from None
    except jwt.PyJWTError:
        raise TokenError("MalformedJWT", "The token provided is not a valid JWT") from None
    if not isinstance(claims.get("role"), str) or not isinstance(claims.get("exp"), int):
        raise TokenError("InvalidJWTToken", "Fields `role` and `exp` are required in JWT")
    access = Access(token, claims)
    if access.seconds_left() <= 0:
        raise TokenError("InvalidJWTToken", f"Token has expired {int(-access.seconds_left())} seconds ago")
    return access
