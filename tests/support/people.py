"""People on the stand-in."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from devstack.keys import SigningKey

PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has just signed up."""

    id: str
    email: str
    session: dict[str, Any]

    @property
    def token(self) -> str:
        """The access token of the first session."""
        return str(self.session["access_token"])

    def token_lasting(self, key: SigningKey, *, seconds: int) -> str:
        """The same token, signed with the project's *key*, but for its end: at most *seconds* from now."""
        claims = jwt.decode(self.token, options={"verify_signature": False})
        return key.sign({**claims, "exp": int(time.time()) + seconds})

    @property
    def topic(self) -> str:
        """The topic that is this person's own."""
        return f"user:{self.id}"


async def sign_up(http: httpx.AsyncClient) -> Person:
    """A new account on the stand-in that *http* speaks to, with its first session."""
    email = f"{uuid.uuid4()}@lingualink.test"
    answer = await http.post("/auth/v1/signup", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    session = answer.json()
    return Person(session["user"]["id"], email, session)
