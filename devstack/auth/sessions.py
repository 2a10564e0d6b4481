"""The sessions of the accounts: ``auth.sessions`` and ``auth.refresh_tokens``.

A backend reads these rows to learn whether a session is alive, so they are the truth here as well.
"""

import secrets
import string
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from devstack.auth.errors import AuthError
from devstack.auth.users import User, find_user
from devstack.database import Connection

SCOPES = ("global", "local", "others")

_FIND_TOKEN = """
select t.id, t.token, t.user_id::uuid as user_id, t.revoked, t.updated_at, t.session_id,
       s.id is not null as session_found, s.not_after, s.created_at as signed_in_at
from auth.refresh_tokens t
left join auth.sessions s on s.id = t.session_id
where t.token = $1
"""
_ACTIVE_TOKEN = """
select token, parent from auth.refresh_tokens
where session_id = $1 and not revoked order by id desc limit 1
"""
_ADD_TOKEN = """
insert into auth.refresh_tokens (token, user_id, revoked, created_at, updated_at, parent, session_id)
values ($1, $2, false, now(), now(), $3, $4)
"""
_END = {
    "global": "delete from auth.sessions where user_id = $1 and $2::uuid is not null",
    "local": "delete from auth.sessions where user_id = $1 and id = $2",
    "others": "delete from auth.sessions where user_id = $1 and id <> $2",
}


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, as a session remembers it."""

    user_agent: str | None
    ip: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in session and the refresh token that is in force."""

    id: uuid.UUID
    user: User
    signed_in_at: datetime
    refresh_token: str


async def start_session(connection: Connection, user: User, client: Client) -> Session:
    """Sign *user* in: a session row and its first refresh token."""
    session_id, now = uuid.uuid4(), datetime.now(UTC)
    await connection.execute(
        "insert into auth.sessions (id, user_id, created_at, updated_at, aal, user_agent, ip)"
        " values ($1, $2, $3, $3, 'aal1', $4, $5::text::inet)",
        session_id,
        user.id,
        now,
        client.user_agent,
        client.ip,
    )
    return Session(session_id, user, now, await _add_token(connection, user.id, session_id, None))


async def refresh_session(connection: Connection, token: str, reuse_interval: int) -> Session:
    """Trade a refresh token for the session's next one, by Auth's rules of rotation and reuse.

    Raises:
        AuthError: the token, its session or its user is no longer good. The caller commits all the same:
            the misuse of an old token has revoked the newer ones.
    """
    # Whoever holds the session's row may rotate; a concurrent refresh then finds the token already revoked.
    await connection.execute(
        "select 1 from auth.sessions where id ="
        " (select session_id from auth.refresh_tokens where token = $1) for update",
        token,
    )
    found = await connection.fetchrow(_FIND_TOKEN, token)
    if found is None:
        raise _refused("refresh_token_not_found", "Refresh Token Not Found")
    user = await find_user(connection, found["user_id"])
    if user is None or not found["session_found"]:
        raise _refused("session_not_found", "No Valid Session Found")
    if user.banned():
        raise _refused("user_banned", "User Banned")
    if found["not_after"] is not None and found["not_after"] <= datetime.now(UTC):
        raise _refused("session_expired", "Session Expired")
    if found["revoked"]:
        token = await _reuse(connection, found, timedelta(seconds=reuse_interval))
    else:
        await connection.execute(
            "update auth.refresh_tokens set revoked = true, updated_at = now() where id = $1", found["id"]
        )
        token = await _add_token(connection, user.id, found["session_id"], token)
    await connection.execute(
        "update auth.sessions set refreshed_at = now() at time zone 'UTC', updated_at = now() where id = $1",
        found["session_id"],
    )
    return Session(found["session_id"], user, found["signed_in_at"], token)


async def _reuse(connection: Connection, old: Any, interval: timedelta) -> str:
    active = await connection.fetchrow(_ACTIVE_TOKEN, old["session_id"])
    just_rotated = old["updated_at"] + interval > datetime.now(UTC)
    if active is not None and active["parent"] == old["token"]:
        return str(active["token"])
    if just_rotated:  # one more child: the session has two good tokens now
        return await _add_token(connection, old["user_id"], old["session_id"], old["token"])
    await connection.execute(
        "update auth.refresh_tokens set revoked = true where session_id = $1", old["session_id"]
    )
    raise _refused("refresh_token_already_used", "Already Used")


def _refused(code: str, why: str) -> AuthError:
    return AuthError(400, code, f"Invalid Refresh Token: {why}")


async def _add_token(
    connection: Connection, user_id: uuid.UUID, session_id: uuid.UUID, parent: str | None
) -> str:
    token = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))
    await connection.execute(_ADD_TOKEN, token, str(user_id), parent, session_id)
    return token


async def session_exists(connection: Connection, session_id: uuid.UUID) -> bool:
    """Whether the session has not been signed out."""
    query = "select exists (select from auth.sessions where id = $1)"
    return bool(await connection.fetchval(query, session_id))


async def end_sessions(connection: Connection, user_id: uuid.UUID, session_id: uuid.UUID, scope: str) -> None:
    """Delete the rows that a sign-out of *scope* ends, asked for by session *session_id*."""
    await connection.execute(_END[scope], user_id, session_id)
