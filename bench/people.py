"""The same ten thousand people and twenty thousand posts in both databases, and tokens that both services take."""

import json
import random
import time
from pathlib import Path
from typing import Final, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

USERS: Final = 10_000
POSTS: Final = 20_000
ADMINS: Final = range(1, 6)
STAFF: Final = (*ADMINS, *range(500, USERS + 1, 500))
PLAIN: Final = tuple(number for number in range(1, USERS + 1) if number not in STAFF)
KEY_ID: Final = "b3ac4a3c-0000-4000-8000-000000000001"
SECRET: Final = "only-the-servers-of-this-benchmark-ever-see-this"  # noqa: S105

Algorithm = Literal["ES256", "HS256"]


def user_id(number: int) -> str:
    """The id of one of the users, 1 to :data:`USERS`."""
    return f"00000000-0000-4000-8000-000000{100_000 + number}"


def post_id(number: int) -> str:
    """The id of one of the posts, 1 to :data:`POSTS`."""
    return f"00000000-0000-4000-9000-000000{100_000 + number}"


SEED: Final = f"""
insert into auth.users (id, aud, role, email)
  select ('00000000-0000-4000-8000-000000' || (100000 + i))::uuid, 'authenticated', 'authenticated',
         'user_' || i || '@bench.test' from generate_series(1, {USERS}) i;
insert into auth.sessions (id, user_id, created_at, aal)
  select ('00000000-0000-4000-a000-000000' || (100000 + i))::uuid,
         ('00000000-0000-4000-8000-000000' || (100000 + i))::uuid, now(), 'aal1' from generate_series(1, {USERS}) i;
insert into public.profiles (id, username, role)
  select ('00000000-0000-4000-8000-000000' || (100000 + i))::uuid, 'user_' || i,
         case when i <= 5 then 'admin' when i % 500 = 0 then 'moderator' else 'user' end
  from generate_series(1, {USERS}) i;
insert into public.posts (id, author_id, kind, title, language)
  select ('00000000-0000-4000-9000-000000' || (100000 + i))::uuid,
         -- never one of the staff: nobody decides on their own post
         ('00000000-0000-4000-8000-000000'
          || (100000 + case when n % 500 = 0 then n - 7 when n <= 5 then n + 7 else n end))::uuid,
         'text', 'Post number ' || i, (array['en', 'fr', 'wo', 'sw', 'yo', 'ln'])[1 + i % 6]
  from generate_series(1, {POSTS}) i, lateral (select 1 + (i * 37) % {USERS} as n) author;
"""
"""People and posts of a database at head, as a superuser writes them."""


class Mint:
    """Signs access tokens as Supabase Auth does; the key set is written beside it for both services to read."""

    def __init__(self, folder: Path, issuer: str) -> None:
        self._issuer = issuer
        self._key = ec.generate_private_key(ec.SECP256R1())
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        jwk |= {"kid": KEY_ID, "alg": "ES256", "use": "sig", "key_ops": ["verify"]}
        self.key_set = folder / "jwks.json"
        self.key_set.write_text(json.dumps({"keys": [jwk]}))

    def token(self, number: int, algorithm: Algorithm) -> str:
        """An hour's token of a user."""
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "sub": user_id(number),
            "aud": "authenticated",
            "exp": now + 3600,
            "iat": now,
            "email": f"user_{number}@bench.test",
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"email": f"user_{number}@bench.test", "email_verified": True},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": user_id(number).replace("-8000-", "-a000-"),
            "is_anonymous": False,
        }
        if algorithm == "HS256":
            return jwt.encode(claims, SECRET, "HS256")
        return jwt.encode(claims, self._key, "ES256", headers={"kid": KEY_ID})


def sample(generator: random.Random, count: int, pool: int, *, staff: bool) -> list[int]:
    """*count* of the first *pool* plain users, to send requests as; of the staff there are few, so they come again."""
    if staff:
        return generator.choices(STAFF, k=count)
    return generator.sample(PLAIN[:pool], count)
