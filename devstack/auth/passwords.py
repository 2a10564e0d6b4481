"""Password hashes for accounts that exist on one machine only: scrypt, cheap on purpose."""

import base64
import hashlib
import hmac
import secrets

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
