"""What Auth does for people: sign up, sign in, refresh, change the account, sign out."""

import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import jwt

from devstack.auth.errors import AuthError, bad_jwt, invalid, no_authorization, weak_password
from devstack.auth.schemas import AccountChange, Credentials
from devstack.auth.sessions import (
    SCOPES,
    Client,
    Session,
    end_sessions,
    refresh_session,
    session_exists,
    start_session,
)
from devstack.auth.users import (
    User,
    find_user,
    find_user_by_email,
    hash_password,
    merged,
    password_matches,
    save_user,
)
from devstack.config import SupabaseConfig
from devstack.database import Connection, Pool
from devstack.keys import SigningKey

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[^@\s]+@localhost")
SHORTEST_PASSWORD = 6
NO_SESSION = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class Caller:
    """The user, and the session of theirs, that a request's token proves; one may do without a session."""

    user: User
    session_id: uuid.UUID


def checked_email(email: str) -> str:
    """The address as it is stored; one that cannot be one is refused."""
    if not EMAIL.fullmatch(email.strip()):
        raise invalid("Unable to validate email address: invalid format")
    return email.strip().lower()


def checked_password(password: str) -> str:
    """The hash of a password that is long enough."""
    if len(password) < SHORTEST_PASSWORD:
        raise weak_password()
    return hash_password(password)


class Auth:
    """The Auth service of one project; all of its state is in the database."""

    def __init__(self, config: SupabaseConfig, key: SigningKey, pool: Pool) -> None:
        self.config = config
        self.key = key
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A database transaction. A refusal is raised after the commit, so that what it wrote stays."""
        refusal: AuthError | None = None
        async with self._pool.acquire() as connection, connection.transaction():
            try:
                yield connection
            except AuthError as error:
                refusal = error
        if refusal is not None:
            raise refusal

    async def sign_up(self, given: Credentials, client: Client) -> dict[str, Any]:
        """A new account: its first session, or the bare user while the address waits for confirmation."""
        if not given.email:
            if given.phone:
                raise AuthError(422, "phone_provider_disabled", "Phone signups are disabled")
            return await self._sign_up_anonymously(given, client)
        if not given.password:
            raise invalid("Signup requires a valid password")
        email, hashed = checked_email(given.email), checked_password(given.password)
        async with self.transaction() as connection:
            user = User.new(encrypted_password=hashed)
            user.set_email(email, confirmed=self.config.email_autoconfirm)
            user.user_metadata = {
                **(given.data or {}),
                "sub": str(user.id),
                "email": email,
                "email_verified": self.config.email_autoconfirm,
                "phone_verified": False,
            }
            if await find_user_by_email(connection, email) is not None:
                if self.config.email_autoconfirm:
                    raise AuthError(422, "user_already_exists", "User already registered")
                return user.body()  # an answer that does not tell whether the address is known
            user = await save_user(connection, user)
            if not self.config.email_autoconfirm:
                return user.body()
            return self._session_body(await self._start(connection, user, client))

    async def _sign_up_anonymously(self, given: Credentials, client: Client) -> dict[str, Any]:
        async with self.transaction() as connection:
            user = await save_user(connection, User.new(is_anonymous=True, user_metadata=given.data or {}))
            return self._session_body(await self._start(connection, user, client))

    async def sign_in(self, given: Credentials, client: Client) -> dict[str, Any]:
        """A new session for an address and its password."""
        if not given.email:
            if given.phone:
                raise AuthError(422, "phone_provider_disabled", "Phone logins are disabled")
            raise invalid("missing email or phone")
        async with self.transaction() as connection:
            user = await find_user_by_email(connection, given.email)
            if user is None or not user.encrypted_password:
                raise AuthError(400, "invalid_credentials", "Invalid login credentials")
            if user.banned():
                raise AuthError(400, "user_banned", "User is banned")
            if not password_matches(given.password or "", user.encrypted_password):
                raise AuthError(400, "invalid_credentials", "Invalid login credentials")
            if user.email_confirmed_at is None:
                raise AuthError(400, "email_not_confirmed", "Email not confirmed")
            return self._session_body(await self._start(connection, user, client))

    async def refresh(self, refresh_token: str | None) -> dict[str, Any]:
        """The session's next access token and refresh token."""
        if not refresh_token:
            raise invalid("refresh_token required")
        async with self.transaction() as connection:
            session = await refresh_session(connection, refresh_token, self.config.refresh_reuse_interval)
            return self._session_body(session)

    async def authenticate(self, token: str | None) -> Caller:
        """Who sends the token: its user exists, is not banned, and has not signed the session out."""
        if token is None:
            raise no_authorization()
        claims = self.claims(token)
        if not claims.get("sub"):
            raise bad_jwt("invalid claim: missing sub claim")
        try:
            user_id = uuid.UUID(claims["sub"])
        except ValueError:
            raise AuthError(400, "bad_jwt", "invalid claim: sub claim must be a UUID") from None
        try:
            session_id = uuid.UUID(claims.get("session_id") or str(NO_SESSION))
        except ValueError:
            raise bad_jwt("invalid claim: session_id claim must be a UUID") from None
        async with self.transaction() as connection:
            user = await find_user(connection, user_id)
            if user is None:
                raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
            if session_id != NO_SESSION and not await session_exists(connection, session_id):
                raise AuthError(
                    403, "session_not_found", "Session from session_id claim in JWT does not exist"
                )
        if user.banned():
            raise AuthError(403, "user_banned", "User is banned")
        return Caller(user, session_id)

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a token that is genuine and in time."""
        try:
            claims = self.key.read(token)
        except jwt.PyJWTError as error:
            raise bad_jwt(f"invalid JWT: unable to parse or verify signature, {error}") from None
        if claims.get("exp", 0) <= time.time():
            raise bad_jwt("invalid JWT: unable to parse or verify signature, token is expired")
        return claims

    async def update(self, caller: Caller, change: AccountChange) -> dict[str, Any]:
        """Change the caller's own account; a new password ends every other session of theirs."""
        async with self.transaction() as connection:
            user = await find_user(connection, caller.user.id, lock=True) or caller.user
            if change.password:
                if password_matches(change.password, user.encrypted_password):
                    message = "New password should be different from the old password."
                    raise AuthError(422, "same_password", message)
                user.encrypted_password = checked_password(change.password)
                await end_sessions(connection, user.id, caller.session_id, "others")
            if change.email:
                user.set_email(checked_email(change.email), confirmed=True)
            user.user_metadata = merged(user.user_metadata, change.data or {})
            return (await save_user(connection, user)).body()

    async def sign_out(self, caller: Caller, scope: str) -> None:
        """End the caller's sessions: all of them, this one, or the others."""
        if scope not in SCOPES:
            raise invalid(f'Unsupported logout scope "{scope}"')
        scope = "global" if caller.session_id == NO_SESSION else scope
        async with self.transaction() as connection:
            await end_sessions(connection, caller.user.id, caller.session_id, scope)

    async def _start(self, connection: Connection, user: User, client: Client) -> Session:
        session = await start_session(connection, user, client)
        user.last_sign_in_at = session.signed_in_at
        return replace(session, user=await save_user(connection, user))

    def _session_body(self, session: Session) -> dict[str, Any]:
        now, user = int(time.time()), session.user
        expires_at = now + self.config.token_lifetime
        claims = {
            "iss": self.config.issuer,
            "aud": user.aud,
            "sub": str(user.id),
            "role": user.role,
            "exp": expires_at,
            "iat": now,
            "email": user.email or "",
            "phone": user.phone or "",
            "app_metadata": user.app_metadata,
            "user_metadata": user.user_metadata,
            "aal": "aal1",
            "amr": [
                {
                    "method": "anonymous" if user.is_anonymous else "password",
                    "timestamp": int(session.signed_in_at.timestamp()),
                }
            ],
            "session_id": str(session.id),
            "is_anonymous": user.is_anonymous,
        }
        return {
            "access_token": self.key.sign(claims),
            "token_type": "bearer",
            "expires_in": self.config.token_lifetime,
            "expires_at": expires_at,
            "refresh_token": session.refresh_token,
            "user": user.body(),
        }
