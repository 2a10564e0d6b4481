"""The project's signing key: ES256, as new Supabase projects have it; and what its tokens allow to act as.

The words for the ones that are refused are Realtime's.
"""

import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ALGORITHM = "ES256"
KEY_FILE = "signing-key.json"
TEN_YEARS = 10 * 365 * 24 * 3_600


class SigningKey:
    """Signs and verifies every token of the project. The key is made here, never one that others know."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey, kid: str) -> None:
        self._private_key = private_key
        self._public_key = private_key.public_key()
        self.kid = kid

    @classmethod
    def generate(cls) -> Self:
        """A new key that nothing has stored."""
        return cls(ec.generate_private_key(ec.SECP256R1()), str(uuid.uuid4()))

    @classmethod
    def load(cls, folder: Path | None) -> Self:
        """The key kept in *folder* as a JWK, made there at the first start; without a folder, a new one."""
        if folder is None:
            return cls.generate()
        path = folder / KEY_FILE
        if path.exists():
            kept: dict[str, Any] = msgspec.json.decode(path.read_bytes())
            private_key = jwt.PyJWK(kept).key
            return cls(private_key, kept["kid"])
        made = cls.generate()
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(made.private_jwk()))
        return made

    def private_jwk(self) -> dict[str, Any]:
        """The whole key, for the key folder alone."""
        jwk = ECAlgorithm.to_jwk(self._private_key, as_dict=True)
        return {**jwk, "kid": self.kid, "alg": ALGORITHM, "use": "sig", "key_ops": ["sign", "verify"]}

    def public_jwk(self) -> dict[str, Any]:
        """The public half, as the project's JWKS lists it."""
        jwk = ECAlgorithm.to_jwk(self._public_key, as_dict=True)
        return {**jwk, "kid": self.kid, "alg": ALGORITHM, "use": "sig", "key_ops": ["verify"], "ext": True}

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with exactly these claims, naming the key in its header."""
        return jwt.encode(claims, self._private_key, algorithm=ALGORITHM, headers={"kid": self.kid})

    def sign_role(self, role: str) -> str:
        """The token that stands behind an API key: nobody's, with the rights of *role*."""
        now = int(time.time())
        return self.sign({"iss": "supabase", "role": role, "iat": now, "exp": now + TEN_YEARS})

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a token that this key signed, be it expired or not.

        Raises:
            jwt.PyJWTError: the token is malformed, or another key signed it.
        """
        unchecked = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_sub": False}
        claims: dict[str, Any] = jwt.decode(
            token,
            self._public_key,
            algorithms=[ALGORITHM],
            options=unchecked,  # type: ignore[arg-type]
        )
        return claims


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
