"""Verifies a Supabase access token: a pure function of the token, the keys, the rules and the time.

Sources: RFC 7515 section 5.2, RFC 7519 section 7.2, RFC 8725 section 3; Supabase docs, JWTs and JWT Signing Keys.
"""

from infrastructure.supabase.claims import TokenRules, VerifiedToken, read_claims
from infrastructure.supabase.compact import JsonObject, read_compact
from infrastructure.supabase.keys import MAX_KEY_ID_CHARACTERS, Keys, SigningKey
from infrastructure.supabase.refusals import RefusalReason, TokenRefused

# A key that comes with the token proves nothing (RFC 8725 section 3.10); what is critical, encrypted, compressed,
# detached or nested is no access token.
_FORBIDDEN_MEMBERS = frozenset(
    {"crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "enc", "zip", "epk", "cty"}
)


def verify(token: str, keys: Keys, rules: TokenRules, now: float) -> VerifiedToken:
    """What *token* proves at *now* (seconds since 1970), if one of *keys* signed it and it follows *rules*.

    Raises:
        TokenRefused: it proves nothing. EXPIRED means that it was good once: nothing else is wrong with it.
    """
    compact = read_compact(token)
    key = find_key(compact.header, keys)
    if not key.verifies(compact.signing_input, compact.signature):
        raise TokenRefused(RefusalReason.SIGNATURE_WRONG)
    verified = read_claims(compact.payload, rules)
    verified.check_time(now, rules.leeway)
    return verified


def find_key(header: JsonObject, keys: Keys) -> SigningKey:
    """The key that *header* names; the key decides the algorithm, and the header must agree.

    Raises:
        TokenRefused: the header asks for anything else. KEY_UNKNOWN only if a key might still be published.
    """
    if not _FORBIDDEN_MEMBERS.isdisjoint(header):
        raise TokenRefused(RefusalReason.HEADER_FORBIDDEN)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise TokenRefused(RefusalReason.TYPE_NOT_JWT)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in keys.algorithms:
        raise TokenRefused(RefusalReason.ALGORITHM_NOT_ALLOWED)
    key_id = _key_id(header)
    key = keys.find(key_id)
    if key is None:
        raise TokenRefused(RefusalReason.KEY_ID_MISSING if key_id is None else RefusalReason.KEY_UNKNOWN)
    if key.algorithm != algorithm:
        raise TokenRefused(RefusalReason.ALGORITHM_NOT_OF_KEY)
    return key


def _key_id(header: JsonObject) -> str | None:
    if "kid" not in header:
        return None
    key_id = header["kid"]
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_CHARACTERS:
        raise TokenRefused(RefusalReason.KEY_ID_MALFORMED)
    return key_id
