"""What a verified payload must say before it is somebody's session (RFC 7519 section 4.1, RFC 8725 section 3).

The claims are those of Supabase Auth's user access tokens; see its source, internal/tokens.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from domain.identity import Assurance, DisplayFields, Principal
from infrastructure.supabase.compact import JsonObject, json_object
from infrastructure.supabase.refusals import RefusalReason, TokenRefused

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NIL = "00000000-0000-0000-0000-000000000000"
# Beyond this no float tells two seconds apart; no clock will ever show it.
_LAST_SECOND = 2**53

_DISPLAY_NAMES = {
    "username": (("user_name", "preferred_username", "username"), 100),
    "full_name": (("full_name", "name"), 200),
    "avatar_url": (("avatar_url", "picture"), 2048),
}


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Whose tokens are taken, for whom, and how far two clocks may be apart.

    Raises:
        ValueError: there is no issuer, or the leeway is not 0 to 60 seconds.
    """

    issuers: frozenset[str]
    audience: str = "authenticated"
    role: str = "authenticated"
    leeway: float = 30.0

    def __post_init__(self) -> None:
        if not self.issuers or not all(self.issuers) or not self.audience:
            raise ValueError("token rules need an issuer and an audience")
        if not 0 <= self.leeway <= 60:
            raise ValueError("leeway is 0 to 60 seconds")


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A session, and when its token is good; everything else about the token is settled."""

    session: Principal
    expires_at: float
    not_before: float | None
    issued_at: float | None

    def check_time(self, now: float, leeway: float) -> None:
        """Refuse the token outside its time (RFC 7519 sections 4.1.4 to 4.1.6).

        Raises:
            TokenRefused: with EXPIRED only if nothing else is wrong.
        """
        if self.not_before is not None and now < self.not_before - leeway:
            raise TokenRefused(RefusalReason.NOT_YET_VALID)
        if self.issued_at is not None and now < self.issued_at - leeway:
            raise TokenRefused(RefusalReason.ISSUED_IN_FUTURE)
        if now >= self.expires_at + leeway:
            raise TokenRefused(RefusalReason.EXPIRED)


def read_claims(payload: bytes, rules: TokenRules) -> VerifiedToken:
    """What *payload*, whose signature was verified, claims; its time is not looked at.

    Raises:
        TokenRefused: a claim is missing, malformed, or not what *rules* ask for.
    """
    try:
        claims = json_object(payload)
    except ValueError:
        raise TokenRefused(RefusalReason.PAYLOAD_NOT_JSON) from None
    _check_addressing(claims, rules)
    session = Principal(
        user_id=_uuid(claims.get("sub"), RefusalReason.SUBJECT_MALFORMED),
        session_id=_uuid(claims.get("session_id"), RefusalReason.SESSION_ID_MALFORMED),
        is_anonymous=_is_anonymous(claims),
        assurance=_assurance(claims),
        display=_display(claims.get("user_metadata")),
    )
    return VerifiedToken(
        session=session,
        expires_at=_second(claims.get("exp"), RefusalReason.EXPIRY_MALFORMED),
        not_before=_optional_second(claims, "nbf", RefusalReason.NOT_BEFORE_MALFORMED),
        issued_at=_optional_second(claims, "iat", RefusalReason.ISSUED_AT_MALFORMED),
    )


def _check_addressing(claims: JsonObject, rules: TokenRules) -> None:
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in rules.issuers:
        raise TokenRefused(RefusalReason.ISSUER_WRONG)
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if rules.audience not in audiences or not all(isinstance(name, str) for name in audiences):
        raise TokenRefused(RefusalReason.AUDIENCE_WRONG)
    if claims.get("role") != rules.role:
        raise TokenRefused(RefusalReason.ROLE_WRONG)


def _uuid(value: object, otherwise: RefusalReason) -> UUID:
    """One user has one spelling: ``UUID()`` alone would take braces, ``urn:uuid:`` and upper case."""
    if not isinstance(value, str) or not _CANONICAL_UUID.fullmatch(value) or value == _NIL:
        raise TokenRefused(otherwise)
    return UUID(value)


def _is_anonymous(claims: JsonObject) -> bool:
    value = claims.get("is_anonymous", False)
    if not isinstance(value, bool):
        raise TokenRefused(RefusalReason.ANONYMITY_MALFORMED)
    return value


def _assurance(claims: JsonObject) -> Assurance:
    """The claimed level; a token that claims none has the lowest."""
    value = claims.get("aal", Assurance.AAL1.value)
    if not isinstance(value, str) or value not in set(Assurance):
        raise TokenRefused(RefusalReason.ASSURANCE_UNKNOWN)
    return Assurance(value)


def _second(value: object, otherwise: RefusalReason) -> float:
    """A NumericDate (RFC 7519 section 2); Python would count True as the first second of 1970."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not -_LAST_SECOND < value < _LAST_SECOND
    ):
        raise TokenRefused(otherwise)
    return value


def _optional_second(claims: JsonObject, name: str, otherwise: RefusalReason) -> float | None:
    return _second(claims[name], otherwise) if name in claims else None


def _display(metadata: object) -> DisplayFields:
    """What the user calls themself. They can write anything here, so what is odd is left out, never refused."""
    if not isinstance(metadata, dict):
        return DisplayFields()
    return DisplayFields(
        **{
            field: next((metadata[name] for name in names if _can_be_shown(metadata.get(name), limit)), None)
            for field, (names, limit) in _DISPLAY_NAMES.items()
        }
    )


def _can_be_shown(value: object, limit: int) -> bool:
    """Whether PostgreSQL can store it and a profile can hold it: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str) or not value.strip() or len(value) > limit or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)
