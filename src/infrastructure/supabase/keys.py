"""What a token is verified with: the published keys of a project, or its legacy secret, and never both.

A key carries its one algorithm, so that nothing a token says can choose another (RFC 8725 section 3.1). PyJWT does
the cryptography.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import PyJWTError

ASYMMETRIC_ALGORITHMS = frozenset({"ES256", "RS256"})
MAX_KEY_ID_CHARACTERS = 128
MIN_SECRET_OCTETS = 32

PUBLIC_SECRETS = frozenset(
    {
        "super-secret-jwt-token-with-at-least-32-characters-long",  # Supabase CLI
        "your-super-secret-jwt-token-with-at-least-32-characters-long",  # Supabase self-hosted with Docker
        "fallback-secret-for-development",  # the app's former backend
    }
)
"""Secrets that anybody can read on the Internet, and so sign with."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and the only algorithm that it is good for. Published keys are equal if their material is."""

    algorithm: str
    fingerprint: str
    verifies: Callable[[bytes, bytes], bool] = field(compare=False, repr=False)
    """Whether the second argument is this key's signature of the first."""


class Keys(Protocol):
    """What a token is verified with."""

    @property
    def algorithms(self) -> frozenset[str]:
        """All that a token's header may name."""
        ...

    def find(self, key_id: str | None) -> SigningKey | None:
        """The key that a token names, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class KeySet:
    """The published keys of a project, by their exact ``kid``."""

    by_id: Mapping[str, SigningKey]

    @property
    def algorithms(self) -> frozenset[str]:
        """ES256 and RS256, even while no key of one of them is known: the next may be."""
        return ASYMMETRIC_ALGORITHMS

    def find(self, key_id: str | None) -> SigningKey | None:
        """The key with exactly this id; a token that names none has none."""
        return None if key_id is None else self.by_id.get(key_id)


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """The secret of a project that still signs with HS256."""

    key: SigningKey

    @property
    def algorithms(self) -> frozenset[str]:
        """HS256 and nothing else."""
        return frozenset({self.key.algorithm})

    def find(self, key_id: str | None) -> SigningKey | None:  # noqa: ARG002 - the id names nothing here
        """The one key, whatever the token calls it: old projects give it no id."""
        return self.key


def shared_secret(secret: str, *, local_development: bool) -> SharedSecret:
    """The legacy HS256 secret of a project, taken as the text that it is, as Supabase Auth takes it.

    Raises:
        ValueError: it is shorter than 32 octets (RFC 7518 section 3.2), is a key in PEM or SSH form, or is known to
            everybody and this is no *local_development*. The message never holds the secret.
    """
    if secret.strip() in PUBLIC_SECRETS and not local_development:
        raise ValueError("the JWT secret is a publicly known default")
    if len(secret.encode()) < MIN_SECRET_OCTETS:
        raise ValueError(f"the JWT secret is shorter than {MIN_SECRET_OCTETS} bytes")
    algorithm = HMACAlgorithm(HMACAlgorithm.SHA256)
    try:
        material = algorithm.prepare_key(secret)
    except PyJWTError:
        raise ValueError("the JWT secret is a public or private key") from None
    return SharedSecret(
        SigningKey(
            algorithm="HS256",
            fingerprint="shared secret",  # a digest of it, once logged, could be searched for
            verifies=lambda message, signature: algorithm.verify(message, material, signature),
        )
    )
