"""Verifies a Supabase access token: a pure function of the token, the keys, the rules and the time.

PyJWT verifies the signature and msgspec types the claims. Beside them stands what libraries let pass and Supabase Auth
never makes: another type, a key that comes with the token, a second spelling of one token.

Sources: RFC 7515 section 5.2, RFC 7519 section 7.2, RFC 8725 section 3; Supabase docs, JWTs and JWT Signing Keys.
"""

from typing import Final

from jwt.utils import base64url_decode

from application.encoding import JsonObject, json_object
from infrastructure.supabase.claims import (
    RejectionReason,
    TokenRejected,
    TokenRules,
    VerifiedToken,
    read_claims,
)
from infrastructure.supabase.jwks import BASE64URL, MAX_KEY_ID_CHARACTERS, KeySet, SigningKey

MAX_TOKEN_CHARACTERS: Final = 16 * 1024

# A key that comes with the token proves nothing (RFC 8725 section 3.10); what is critical, encrypted, compressed,
# detached or nested is no access token.
_FORBIDDEN_MEMBERS = frozenset(
    {"crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "enc", "zip", "epk", "cty"}
)


def verify(token: str, keys: KeySet, rules: TokenRules, now: float) -> VerifiedToken:
    """What *token* proves at *now* (seconds since 1970), if one of *keys* signed it and it follows *rules*.

    Raises:
        TokenRejected: it proves nothing. EXPIRED means that it was good once: nothing else is wrong with it.
    """
    header, payload, signature = _parts(token)
    key = find_key(_header(header), keys)
    # PyJWS.decode does the same after reading header and alphabet once more: 40 of 150 µs.
    if not key.material.Algorithm.verify(token.rpartition(".")[0].encode(), key.material.key, signature):
        raise TokenRejected(RejectionReason.SIGNATURE_WRONG)
    verified = read_claims(payload, rules, key.algorithm)
    verified.check_time(now, rules.leeway)
    return verified


def _parts(token: str) -> tuple[bytes, bytes, bytes]:
    """Header, payload and signature, each in its one spelling: no padding, no stray bits (RFC 4648 section 3.5)."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenRejected(RejectionReason.TOO_LARGE)
    parts = token.split(".", 3)
    if len(parts) != 3 or not token.isascii():
        raise TokenRejected(RejectionReason.NOT_COMPACT)
    if not all(BASE64URL.fullmatch(part) for part in parts):
        raise TokenRejected(RejectionReason.NOT_BASE64URL)
    header, payload, signature = map(base64url_decode, parts)
    return header, payload, signature


def _header(octets: bytes) -> JsonObject:
    try:
        return json_object(octets)
    except ValueError:
        raise TokenRejected(RejectionReason.HEADER_NOT_JSON) from None


def find_key(header: JsonObject, keys: KeySet) -> SigningKey:
    """The key that *header* names; the key decides the algorithm, and the header must agree.

    While a project moves from its shared secret to signing keys, both are good. A token can't mix them up: a ``kid``
    of the set means that key alone, and the secret verifies only what says HS256 and names no key of the set.

    Raises:
        TokenRejected: the header asks for anything else. KEY_UNKNOWN only if a key might still be published.
    """
    if not _FORBIDDEN_MEMBERS.isdisjoint(header):
        raise TokenRejected(RejectionReason.HEADER_FORBIDDEN)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise TokenRejected(RejectionReason.TYPE_NOT_JWT)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in keys.algorithms:
        raise TokenRejected(RejectionReason.ALGORITHM_NOT_ALLOWED)
    key_id = _key_id(header)
    key = keys.by_id.get(key_id) if key_id is not None else None
    if key is None and keys.secret is not None and algorithm == keys.secret.algorithm:
        key = keys.secret
    if key is None:
        raise TokenRejected(RejectionReason.KEY_ID_MISSING if key_id is None else RejectionReason.KEY_UNKNOWN)
    if key.algorithm != algorithm:
        raise TokenRejected(RejectionReason.ALGORITHM_NOT_OF_KEY)
    return key


def _key_id(header: JsonObject) -> str | None:
    if "kid" not in header:
        return None
    key_id = header["kid"]
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_CHARACTERS:
        raise TokenRejected(RejectionReason.KEY_ID_MALFORMED)
    return key_id
