"""Reads the signing keys that Supabase Auth publishes (RFC 7517; Supabase docs, JWT Signing Keys)."""

import hashlib
from collections import Counter
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from infrastructure.supabase.compact import JsonObject, base64url_decode, json_object
from infrastructure.supabase.keys import MAX_KEY_ID_CHARACTERS, KeySet, SigningKey

# The longest is a bound on the work of one verification, not on anybody's safety.
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192

PUBLIC_KEY_ID: Final = "b81269f1-21d8-4f2e-b719-c2240a840d90"
"""The Supabase CLI's key: its private half is in the CLI's sources, so anybody can sign with it."""
PUBLIC_KEY_FINGERPRINT: Final = "8437bba172819c4938ca29a6bcd825a5398bddc5888650e073b0d4923e30d95c"
"""The same key whatever it is called: SHA-256 of its SubjectPublicKeyInfo."""


class KeySetRefused(ValueError):
    """A document holds no signing key that we accept."""


def parse_key_set(document: bytes, *, local_development: bool) -> KeySet:
    """The keys in a JWK Set that may sign access tokens; whatever does not fit is skipped (RFC 7517 section 5).

    A key fits that is there to verify signatures, has a ``kid``, and is P-256 for ES256, or RSA of at least 2048 bits
    for RS256. A private key never fits: whoever reads the set could sign with it. The Supabase CLI's key fits only
    in *local_development*. A ``kid`` that two fitting keys share names neither.

    Raises:
        KeySetRefused: it is no JWK Set, or no key in it fits.
    """
    try:
        members = json_object(document).get("keys")
    except ValueError as error:
        raise KeySetRefused("not a JSON object") from error
    if not isinstance(members, list):
        raise KeySetRefused("no list of keys")
    fitting = [entry for member in members if (entry := _entry(member)) is not None]
    uses = Counter(key_id for key_id, _ in fitting)
    by_id = {
        key_id: key
        for key_id, key in fitting
        if uses[key_id] == 1 and (local_development or not _is_public(key_id, key))
    }
    if not by_id:
        raise KeySetRefused("no usable key")
    return KeySet(MappingProxyType(by_id))


def _entry(member: object) -> tuple[str, SigningKey] | None:
    if not isinstance(member, dict) or not _is_for_verifying(member):
        return None
    key_id = member.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_CHARACTERS:
        return None
    try:
        key = _signing_key(member)
    except (PyJWTError, ValueError, TypeError):
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
    if member.get("kty") == "EC" and member.get("alg", "ES256") == "ES256":
        return _es256(member)
    if member.get("kty") == "RSA" and member.get("alg", "RS256") == "RS256":
        return _rs256(member)
    return None


def _es256(member: JsonObject) -> SigningKey | None:
    key = ECAlgorithm.from_jwk({"kty": "EC", "crv": member.get("crv"), **_numbers(member, "x", "y")})
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        return None
    algorithm = ECAlgorithm(ECAlgorithm.SHA256, SECP256R1)
    return SigningKey(
        algorithm="ES256",
        fingerprint=_fingerprint(key),
        verifies=lambda message, signature: algorithm.verify(message, key, signature),
    )


def _rs256(member: JsonObject) -> SigningKey | None:
    key = RSAAlgorithm.from_jwk({"kty": "RSA", **_numbers(member, "n", "e")})
    if not isinstance(key, RSAPublicKey) or not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        return None
    algorithm = RSAAlgorithm(RSAAlgorithm.SHA256)
    return SigningKey(
        algorithm="RS256",
        fingerprint=_fingerprint(key),
        verifies=lambda message, signature: algorithm.verify(message, key, signature),
    )


def _numbers(member: JsonObject, *names: str) -> dict[str, str]:
    """Only what makes up the public key, each in its one spelling."""
    numbers = {name: member.get(name) for name in names}
    strings = {name: number for name, number in numbers.items() if isinstance(number, str)}
    if len(strings) != len(names) or not all(base64url_decode(number) for number in strings.values()):
        raise ValueError("a number is missing")
    return strings


def _fingerprint(key: EllipticCurvePublicKey | RSAPublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _is_public(key_id: str, key: SigningKey) -> bool:
    return key_id == PUBLIC_KEY_ID or key.fingerprint == PUBLIC_KEY_FINGERPRINT
