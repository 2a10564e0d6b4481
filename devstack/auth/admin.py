"""What Auth does for holders of a secret key: the accounts of everybody."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from devstack.auth.errors import AuthError, invalid, no_authorization
from devstack.auth.schemas import AdminAccount
from devstack.auth.service import Auth, checked_email, checked_password
from devstack.auth.sessions import end_sessions
from devstack.auth.users import User, delete_user, find_user, hash_password, list_users, merged, save_user
from devstack.database import Connection

ADMIN_ROLES = {"service_role", "supabase_admin"}
DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|ns))+")
SECONDS = {"h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
NOBODY = uuid.UUID(int=0)


def require_admin(auth: Auth, token: str | None) -> None:
    """Refuse whoever has no secret key."""
    if token is None:
        raise no_authorization()
    if auth.claims(token).get("role") not in ADMIN_ROLES:
        raise AuthError(403, "not_admin", "User not allowed")


def parse_ban(duration: str) -> datetime | None:
    """The end of a ban that starts now; ``none`` lifts it. Durations are Go's: ``24h``, ``1h30m``."""
    if duration == "none":
        return None
    if not DURATION.fullmatch(duration):
        raise invalid(f"invalid format for ban duration: {duration!r}")
    parts = re.findall(r"([\d.]+)([a-z]+)", duration)
    return datetime.now(UTC) + timedelta(seconds=sum(float(n) * SECONDS[unit] for n, unit in parts))


async def create(auth: Auth, given: AdminAccount) -> dict[str, Any]:
    """A new account, signed in nowhere."""
    if not given.email:
        raise invalid("Cannot create a user without either an email or phone")
    user = User.new(_new_id(given.id), encrypted_password=hash_password(given.password or str(uuid.uuid4())))
    async with auth.transaction() as connection:
        return (await _apply(connection, user, given)).body()


def _new_id(text: str | None) -> uuid.UUID | None:
    if text is None:
        return None
    try:
        user_id = uuid.UUID(text)
    except ValueError:
        raise invalid("ID must conform to the uuid v4 format") from None
    if user_id == NOBODY:
        raise invalid("ID cannot be a nil uuid")
    return user_id


async def page(auth: Auth, number: int, size: int) -> tuple[dict[str, Any], int]:
    """One page of all accounts, and how many there are."""
    async with auth.transaction() as connection:
        users, total = await list_users(connection, limit=size, offset=(number - 1) * size)
    return {"users": [user.body() for user in users], "aud": "authenticated"}, total


async def get(auth: Auth, user_id: str) -> dict[str, Any]:
    """One account."""
    async with auth.transaction() as connection:
        return (await _found(connection, user_id)).body()


async def update(auth: Auth, user_id: str, change: AdminAccount) -> dict[str, Any]:
    """Change an account: password, address, metadata, role, ban. Sessions and tokens stay."""
    async with auth.transaction() as connection:
        user = await _found(connection, user_id)
        if change.password:
            user.encrypted_password = checked_password(change.password)
        return (await _apply(connection, user, change)).body()


async def delete(auth: Auth, user_id: str, *, softly: bool) -> None:
    """Remove an account, or blank it and keep its row; its sessions end either way."""
    async with auth.transaction() as connection:
        user = await _found(connection, user_id)
        if not softly:
            await delete_user(connection, user.id)
            return
        user.obfuscate()
        await end_sessions(connection, user.id, NOBODY, "global")
        await save_user(connection, user)


async def _found(connection: Connection, user_id: str) -> User:
    try:
        user = await find_user(connection, uuid.UUID(user_id), lock=True)
    except ValueError:
        raise AuthError(404, "validation_failed", "user_id must be an UUID") from None
    if user is None:
        raise AuthError(404, "user_not_found", "User not found")
    return user


async def _apply(connection: Connection, user: User, given: AdminAccount) -> User:
    if given.email:
        user.set_email(checked_email(given.email), confirmed=bool(given.email_confirm))
    elif given.email_confirm and user.email_confirmed_at is None:
        user.email_confirmed_at = datetime.now(UTC)
    if given.ban_duration:
        user.banned_until = parse_ban(given.ban_duration)
    user.role = given.role or user.role
    user.phone = given.phone or user.phone
    user.user_metadata = merged(user.user_metadata, given.user_metadata or {})
    user.app_metadata = merged(user.app_metadata, given.app_metadata or {})
    return await save_user(connection, user)
