"""What tokens are verified with: the keys that Supabase Auth publishes, and a project's legacy secret.

A key carries its one algorithm, so that nothing a token says can choose another (RFC 8725 section 3.1). PyJWT does
the cryptography. Sources: RFC 7517, RFC 7518, RFC 8037; Supabase docs, JWT Signing Keys.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import PyJWTError

from application.encoding import JsonObject, json_object

MAX_KEY_ID_CHARACTERS: Final = 128
LEGACY_ALGORITHM: Final = "HS256"
MIN_SECRET_OCTETS: Final = 32
# The longest is a bound on the work of one verification, not on anybody's safety.
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192

BASE64URL: Final = re.compile(r"(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?", re.ASCII)
"""The canonical form without padding (RFC 4648 sections 3.5 and 5): octets have one spelling."""

PUBLISHED_ALGORITHMS: Final = frozenset({"ES256", "RS256", "EdDSA"})
"""What published keys may sign with; EdDSA on Ed25519 only."""

PUBLIC_KEY_ID: Final = "b81269f1-21d8-4f2e-b719-c2240a840d90"
"""The Supabase CLI's key: its private half is in the CLI's sources, so anybody can sign with it."""
PUBLIC_KEY_FINGERPRINT: Final = "8437bba172819c4938ca29a6bcd825a5398bddc5888650e073b0d4923e30d95c"
"""The same key whatever it is called: SHA-256 of its SubjectPublicKeyInfo."""
PUBLIC_SECRETS: Final = frozenset(
    {
        "super-secret-jwt-token-with-at-least-32-characters-long",  # Supabase CLI
        "your-super-secret-jwt-token-with-at-least-32-characters-long",  # Supabase self-hosted with Docker
        "fallback-secret-for-development",  # the app's former backend
    }
)
"""Secrets that anybody can read on the Internet, and so sign with."""

# kty → the algorithm, the only curve, and the members that make up the public key.
_KINDS: Final[Mapping[object, tuple[str, str | None, tuple[str, ...]]]] = MappingProxyType(
    {
        "EC": ("ES256", "P-256", ("x", "y")),
        "RSA": ("RS256", None, ("n", "e")),
        "OKP": ("EdDSA", "Ed25519", ("x",)),
    }
)
_P25519: Final = 2**255 - 19
_ORDER_EIGHT_Y: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_WEAK_Y: Final = {0, 1, _P25519 - 1, _ORDER_EIGHT_Y, _P25519 - _ORDER_EIGHT_Y}
"""The points of small order (RFC 7748 section 6): under such a key anybody's signature verifies."""


class JwksMalformed(ValueError):
    """A document is no JWK Set."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and the only algorithm that it is good for. Published keys are equal if their numbers are."""

    algorithm: str
    fingerprint: str
    material: PyJWK = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The published keys of a project by their exact ``kid``, and its legacy secret where it still has one."""

    by_id: Mapping[str, SigningKey]
    secret: SigningKey | None = None

    @property
    def algorithms(self) -> frozenset[str]:
        """All that a token's header may name; the published ones even while no key of one is known: the next may be."""
        return PUBLISHED_ALGORITHMS | {self.secret.algorithm} if self.secret else PUBLISHED_ALGORITHMS

    def __bool__(self) -> bool:
        """Whether any token could be verified with it."""
        return bool(self.by_id) or self.secret is not None


def parse_jwks(
    document: bytes, *, secret: SigningKey | None = None, local_development: bool = False
) -> KeySet:
    """The keys in a JWK Set that may sign access tokens; whatever does not fit is skipped (RFC 7517 section 5).

    A key fits that is there to verify signatures, has a ``kid``, and is P-256 for ES256, Ed25519 for EdDSA, or RSA of
    2048 to 8192 bits for RS256. A private key never fits: whoever reads the set could sign with it. The Supabase CLI's
    key fits only in *local_development*. A ``kid`` that two fitting keys share names neither. That nothing fits is an
    answer, too: a project without signing keys publishes an empty set. *secret* is kept beside what was published.

    Raises:
        JwksMalformed: it is no JWK Set.
    """
    try:
        members = json_object(document).get("keys")
    except ValueError as error:
        raise JwksMalformed("not a JSON object") from error
    if not isinstance(members, list):
        raise JwksMalformed("no list of keys")
    fitting = [entry for member in members if (entry := _entry(member)) is not None]
    uses = Counter(key_id for key_id, _ in fitting)
    by_id = {
        key_id: key
        for key_id, key in fitting
        if uses[key_id] == 1
        and (local_development or not (key_id == PUBLIC_KEY_ID or key.fingerprint == PUBLIC_KEY_FINGERPRINT))
    }
    return KeySet(MappingProxyType(by_id), secret)


def shared_secret(secret: str, *, local_development: bool) -> SigningKey:
    """The legacy HS256 secret of a project, taken as the text that it is, as Supabase Auth takes it.

    Raises:
        ValueError: it is shorter than 32 octets (RFC 7518 section 3.2), is a key in PEM or SSH form, or is known to
            everybody and this is no *local_development*. The message never holds the secret.
    """
    if secret.strip() in PUBLIC_SECRETS and not local_development:
        raise ValueError("the JWT secret is a publicly known default")
    if len(secret.encode()) < MIN_SECRET_OCTETS:
        raise ValueError(f"the JWT secret is shorter than {MIN_SECRET_OCTETS} bytes")
    try:
        octets = HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except PyJWTError:
        raise ValueError("the JWT secret is a public or private key") from None
    # A digest of it as its fingerprint, once logged, could be searched for.
    jwk = PyJWK(HMACAlgorithm.to_jwk(octets, as_dict=True), LEGACY_ALGORITHM)
    return SigningKey(LEGACY_ALGORITHM, "shared secret", jwk)


def _entry(member: object) -> tuple[str, SigningKey] | None:
    if not isinstance(member, dict) or not _is_for_verifying(member):
        return None
    key_id = member.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_CHARACTERS:
        return None
    try:
        key = _signing_key(member)
    except (PyJWTError, KeyError, ValueError, TypeError):
        return None
    return None if key is None else (key_id, key)


def _is_for_verifying(member: JsonObject) -> bool:
    operations = member.get("key_ops", ["verify"])
    return (
        member.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and "d" not in member
    )


def _signing_key(member: JsonObject) -> SigningKey | None:
    """Only what makes up the public key is looked at, each number in its one spelling."""
    kind = member.get("kty")
    algorithm, curve, names = _KINDS[kind]
    numbers = {name: text for name in names if isinstance(text := member.get(name), str)}
    if (
        member.get("alg", algorithm) != algorithm
        or (curve is not None and member.get("crv") != curve)
        or len(numbers) != len(names)
        or not all(text and BASE64URL.fullmatch(text) for text in numbers.values())
    ):
        return None
    material = PyJWK({"kty": kind, "crv": curve, **numbers}, algorithm)
    if not _is_strong(material.key):
        return None
    spki = material.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(algorithm, hashlib.sha256(spki).hexdigest(), material)


def _is_strong(key: object) -> bool:
    if isinstance(key, RSAPublicKey):
        return MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
    if isinstance(key, Ed25519PublicKey):
        y = int.from_bytes(key.public_bytes(Encoding.Raw, PublicFormat.Raw), "little") % 2**255
        return y % _P25519 not in _WEAK_Y
    return isinstance(key, EllipticCurvePublicKey)
