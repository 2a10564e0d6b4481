"""The accounts: ``auth.users`` and ``auth.identities``; and the hashes of their passwords."""

import base64
import hashlib
import hmac
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any, Self

import asyncpg
import msgspec

from devstack.auth.errors import AuthError
from devstack.database import Connection

AUTHENTICATED = "authenticated"

_SELECT = """
select u.id, u.aud, u.role, u.email, u.phone, u.encrypted_password, u.email_confirmed_at, u.last_sign_in_at,
       u.raw_app_meta_data as app_metadata, u.raw_user_meta_data as user_metadata, u.created_at, u.updated_at,
       u.banned_until, u.deleted_at, u.is_anonymous,
       coalesce((
           select jsonb_agg(jsonb_build_object(
               'identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id, 'provider', i.provider,
               'identity_data', i.identity_data, 'email', i.email, 'last_sign_in_at', i.last_sign_in_at,
               'created_at', i.created_at, 'updated_at', i.updated_at))
           from auth.identities i where i.user_id = u.id), '[]') as identities
from auth.users u
"""
# Not "for update": rows of an application may come to refer to the user meanwhile.
_LOCKED = " for no key update of u"
_BY_ID = _SELECT + "where u.id = $1"
_BY_EMAIL = _SELECT + "where u.email = $1 and not u.is_sso_user" + _LOCKED
_PAGE = _SELECT + "order by u.created_at desc, u.id limit $1 offset $2"

_SAVE = """
insert into auth.users (
    instance_id, id, aud, role, email, phone, encrypted_password, email_confirmed_at, last_sign_in_at,
    raw_app_meta_data, raw_user_meta_data, created_at, updated_at, banned_until, deleted_at, is_anonymous)
values (
    '00000000-0000-0000-0000-000000000000', $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict (id) do update set
    aud = $2, role = $3, email = $4, phone = $5, encrypted_password = $6, email_confirmed_at = $7,
    last_sign_in_at = $8, raw_app_meta_data = $9, raw_user_meta_data = $10, updated_at = $12,
    banned_until = $13, deleted_at = $14, is_anonymous = $15
"""
_SAVE_IDENTITY = """
insert into auth.identities (
    provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
values ($1, $2, $3, 'email', $4, $5, $5)
on conflict (provider_id, provider) do update set identity_data = $3, last_sign_in_at = $4, updated_at = $5
"""


class User(msgspec.Struct, kw_only=True):
    """One account, as its row and its identities say."""

    id: uuid.UUID
    aud: str = AUTHENTICATED
    role: str = AUTHENTICATED
    email: str | None = None
    phone: str | None = None
    encrypted_password: str | None = None
    email_confirmed_at: datetime | None = None
    last_sign_in_at: datetime | None = None
    app_metadata: dict[str, Any]
    user_metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    banned_until: datetime | None = None
    deleted_at: datetime | None = None
    is_anonymous: bool = False
    identities: list[dict[str, Any]] = []

    @classmethod
    def new(cls, user_id: uuid.UUID | None = None, **fields: Any) -> Self:
        """An account that is not stored yet."""
        now = datetime.now(UTC)
        fields = {"app_metadata": {}, "user_metadata": {}, **fields}
        return cls(id=user_id or uuid.uuid4(), created_at=now, updated_at=now, **fields)

    def banned(self) -> bool:
        """Whether a ban is in force now."""
        return self.banned_until is not None and self.banned_until > datetime.now(UTC)

    def set_email(self, email: str, *, confirmed: bool) -> None:
        """Give the account an e-mail address; an anonymous account becomes a permanent one by it."""
        self.email = email
        self.email_confirmed_at = datetime.now(UTC) if confirmed else None
        self.is_anonymous = False
        providers = self.app_metadata.get("providers", [])
        self.app_metadata["provider"] = self.app_metadata.get("provider", "email")
        self.app_metadata["providers"] = providers if "email" in providers else [*providers, "email"]

    def obfuscate(self) -> None:
        """Soft deletion: the row stays, and what names a person goes."""
        self.email = self.email and _obfuscated(self.id, self.email)
        self.phone = None
        self.encrypted_password = ""
        self.app_metadata, self.user_metadata = {}, {}
        self.deleted_at = datetime.now(UTC)

    def body(self) -> dict[str, Any]:
        """The account as Auth's clients read it."""
        absent_unless_set = {
            "email_confirmed_at": self.email_confirmed_at,
            "confirmed_at": self.email_confirmed_at,
            "last_sign_in_at": self.last_sign_in_at,
            "banned_until": self.banned_until,
            "deleted_at": self.deleted_at,
        }
        return {
            "id": self.id,
            "aud": self.aud,
            "role": self.role,
            "email": self.email or "",
            "phone": self.phone or "",
            "app_metadata": self.app_metadata,
            "user_metadata": self.user_metadata,
            "identities": self.identities,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "is_anonymous": self.is_anonymous,
            **{name: value for name, value in absent_unless_set.items() if value is not None},
        }


def _obfuscated(user_id: uuid.UUID, value: str) -> str:
    return (
        base64.urlsafe_b64encode(hashlib.sha256(f"{user_id}{value}".encode()).digest()).decode().rstrip("=")
    )


def merged(kept: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Metadata after an update: given keys replace kept ones, and null takes a key away."""
    return {name: value for name, value in {**kept, **given}.items() if value is not None}


def _user(record: asyncpg.Record | None) -> User | None:
    if record is None:
        return None
    fields = dict(record)
    for name in ("app_metadata", "user_metadata"):
        fields[name] = fields[name] or {}
    return User(**fields)


async def find_user(connection: Connection, user_id: uuid.UUID, *, lock: bool = False) -> User | None:
    """The account with this id; with *lock* nobody else changes it before the transaction ends."""
    return _user(await connection.fetchrow(_BY_ID + _LOCKED if lock else _BY_ID, user_id))


async def find_user_by_email(connection: Connection, email: str) -> User | None:
    """The account with this address, locked for the rest of the transaction."""
    return _user(await connection.fetchrow(_BY_EMAIL, email.strip().lower()))


async def list_users(connection: Connection, *, limit: int, offset: int) -> tuple[list[User], int]:
    """One page of all accounts, newest first, and how many there are."""
    records = await connection.fetch(_PAGE, limit, offset)
    total = await connection.fetchval("select count(*) from auth.users")
    return [user for user in map(_user, records) if user], total


async def save_user(connection: Connection, user: User) -> User:
    """Store the account, new or changed, with its e-mail identity; return it as stored.

    Raises:
        AuthError: another account has the address.
    """
    user.updated_at = datetime.now(UTC)
    try:
        await connection.execute(
            _SAVE, user.id, user.aud, user.role, user.email, user.phone, user.encrypted_password,
            user.email_confirmed_at, user.last_sign_in_at, user.app_metadata, user.user_metadata,
            user.created_at, user.updated_at, user.banned_until, user.deleted_at, user.is_anonymous,
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        message = "A user with this email address has already been registered"
        raise AuthError(422, "email_exists", message) from None
    if user.email is not None:
        await _save_identity(connection, user)
    stored = await find_user(connection, user.id)
    return stored or user


async def _save_identity(connection: Connection, user: User) -> None:
    if user.deleted_at is None:
        data = {
            "sub": str(user.id),
            "email": user.email,
            "email_verified": user.email_confirmed_at is not None,
            "phone_verified": False,
        }
        await connection.execute(
            _SAVE_IDENTITY, str(user.id), user.id, data, user.last_sign_in_at, user.updated_at
        )
    else:
        await connection.execute(
            "update auth.identities set identity_data = '{}', provider_id = $2 where user_id = $1",
            user.id,
            _obfuscated(user.id, str(user.id)),
        )


async def delete_user(connection: Connection, user_id: uuid.UUID) -> None:
    """Remove the row, and by it the account's sessions and identities."""
    await connection.execute("delete from auth.users where id = $1", user_id)


# Accounts exist on one machine only: scrypt, cheap on purpose.
COST, BLOCK_SIZE, PARALLELISM = 2**10, 8, 1


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=COST, r=BLOCK_SIZE, p=PARALLELISM, dklen=32)


def hash_password(password: str) -> str:
    """A salted hash for ``auth.users.encrypted_password``."""
    salt = secrets.token_bytes(16)
    parts = (base64.b64encode(part).decode() for part in (salt, _digest(password, salt)))
    return "$".join(("scrypt", *parts))


def password_matches(password: str, hashed: str | None) -> bool:
    """Whether *hashed* was made from *password*; an account without a password matches none."""
    scheme, _, rest = (hashed or "").partition("$")
    if scheme != "scrypt":
        return False
    salt, digest = (base64.b64decode(part) for part in rest.split("$"))
    return hmac.compare_digest(digest, _digest(password, salt))
