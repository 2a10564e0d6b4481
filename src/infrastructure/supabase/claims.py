"""What a verified payload must say before it is somebody's session (RFC 7519 section 4.1, RFC 8725 section 3).

The claims are those of Supabase Auth's user access tokens; see its source, internal/tokens. msgspec types them.
"""

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from application.encoding import json_object
from domain.identity import Assurance, DisplayFields, Principal


class RejectionReason(StrEnum):
    """The closed list of what can be wrong with a token, in the order in which it is looked for."""

    TOO_LARGE = "too_large"
    NOT_COMPACT = "not_compact"
    NOT_BASE64URL = "not_base64url"
    HEADER_NOT_JSON = "header_not_json"
    HEADER_FORBIDDEN = "header_forbidden"
    TYPE_NOT_JWT = "type_not_jwt"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    KEY_ID_MALFORMED = "key_id_malformed"
    KEY_ID_MISSING = "key_id_missing"
    KEY_UNKNOWN = "key_unknown"
    ALGORITHM_NOT_OF_KEY = "algorithm_not_of_key"
    SIGNATURE_WRONG = "signature_wrong"
    PAYLOAD_NOT_JSON = "payload_not_json"
    ISSUER_WRONG = "issuer_wrong"
    AUDIENCE_WRONG = "audience_wrong"
    ROLE_WRONG = "role_wrong"
    SUBJECT_MALFORMED = "subject_malformed"
    SESSION_ID_MALFORMED = "session_id_malformed"
    EXPIRY_MALFORMED = "expiry_malformed"
    NOT_BEFORE_MALFORMED = "not_before_malformed"
    ISSUED_AT_MALFORMED = "issued_at_malformed"
    ANONYMITY_MALFORMED = "anonymity_malformed"
    ASSURANCE_UNKNOWN = "assurance_unknown"
    CLIENT_MALFORMED = "client_malformed"
    NOT_YET_VALID = "not_yet_valid"
    ISSUED_IN_FUTURE = "issued_in_future"
    EXPIRED = "expired"


class TokenRejected(Exception):
    """A token proves nothing; ``reason`` says why. It holds nothing of the token itself."""

    def __init__(self, reason: RejectionReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


# One user has one spelling: ``UUID()`` alone would take braces, ``urn:uuid:`` and upper case.
_Id = Annotated[str, Meta(pattern=r"\A(?![0-]*\Z)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
# Beyond 2**53 no float tells two seconds apart; no clock will ever show it.
_Second = Annotated[int, Meta(gt=-(2**53), lt=2**53)] | Annotated[float, Meta(gt=-(2.0**53), lt=2.0**53)]


class _Claims(msgspec.Struct):
    """A user's access token; further claims are nobody's business here."""

    iss: str
    aud: str | list[str]
    role: str
    sub: _Id
    session_id: _Id
    exp: _Second
    nbf: _Second | UnsetType = UNSET
    iat: _Second | UnsetType = UNSET
    is_anonymous: bool = False
    aal: Assurance = Assurance.AAL1
    client_id: Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,255}\Z")] | UnsetType = UNSET
    user_metadata: Any = None


# By the first member that is wrong; a missing one is named, too.
_WRONG_MEMBER = re.compile(r"`(?:\$\.)?(\w+)[^`]*`$")
_REASONS: Final = {
    "iss": RejectionReason.ISSUER_WRONG,
    "aud": RejectionReason.AUDIENCE_WRONG,
    "role": RejectionReason.ROLE_WRONG,
    "sub": RejectionReason.SUBJECT_MALFORMED,
    "session_id": RejectionReason.SESSION_ID_MALFORMED,
    "exp": RejectionReason.EXPIRY_MALFORMED,
    "nbf": RejectionReason.NOT_BEFORE_MALFORMED,
    "iat": RejectionReason.ISSUED_AT_MALFORMED,
    "is_anonymous": RejectionReason.ANONYMITY_MALFORMED,
    "aal": RejectionReason.ASSURANCE_UNKNOWN,
    "client_id": RejectionReason.CLIENT_MALFORMED,
}

# A new profile's column, the metadata it may come from, and how long it may be.
_DISPLAY_NAMES: Final = {
    "username": (("user_name", "preferred_username", "username"), 100),
    "full_name": (("full_name", "name"), 200),
    "avatar_url": (("avatar_url", "picture"), 2048),
}


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Whose tokens are taken, for whom, and how far two clocks may be apart (seconds).

    A token's issuer is one of *issuers* to the letter.

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
    """Who signed in, and when the token is good (seconds since 1970); all else about the token is settled."""

    principal: Principal
    algorithm: str
    expires_at: float
    not_before: float
    issued_at: float

    def check_time(self, now: float, leeway: float) -> None:
        """Reject the token outside its time (RFC 7519 sections 4.1.4 to 4.1.6).

        Raises:
            TokenRejected: with EXPIRED only if nothing else is wrong.
        """
        if now < self.not_before - leeway:
            raise TokenRejected(RejectionReason.NOT_YET_VALID)
        if now < self.issued_at - leeway:
            raise TokenRejected(RejectionReason.ISSUED_IN_FUTURE)
        if now >= self.expires_at + leeway:
            raise TokenRejected(RejectionReason.EXPIRED)


def read_claims(payload: bytes, rules: TokenRules, algorithm: str) -> VerifiedToken:
    """What *payload*, whose *algorithm* signature was verified, claims; its time is not looked at.

    Raises:
        TokenRejected: a claim is missing, malformed, or not what *rules* ask for.
    """
    try:
        members = json_object(payload)
    except ValueError:
        raise TokenRejected(RejectionReason.PAYLOAD_NOT_JSON) from None
    try:
        claims = msgspec.convert(members, _Claims)
    except msgspec.ValidationError as error:
        raise TokenRejected(_reason(error)) from None
    _check_addressing(claims, rules)
    principal = Principal(
        user_id=UUID(claims.sub),
        session_id=UUID(claims.session_id),
        is_anonymous=claims.is_anonymous,
        assurance=claims.aal,
        client_id=None if claims.client_id is UNSET else claims.client_id,
        display=display_fields(claims.user_metadata),
    )
    return VerifiedToken(
        principal=principal,
        algorithm=algorithm,
        expires_at=claims.exp,
        not_before=-math.inf if claims.nbf is UNSET else claims.nbf,
        issued_at=-math.inf if claims.iat is UNSET else claims.iat,
    )


def _reason(error: msgspec.ValidationError) -> RejectionReason:
    found = _WRONG_MEMBER.search(str(error))
    return _REASONS[found[1]] if found else RejectionReason.PAYLOAD_NOT_JSON


def _check_addressing(claims: _Claims, rules: TokenRules) -> None:
    if claims.iss not in rules.issuers:
        raise TokenRejected(RejectionReason.ISSUER_WRONG)
    if rules.audience not in (claims.aud if isinstance(claims.aud, list) else [claims.aud]):
        raise TokenRejected(RejectionReason.AUDIENCE_WRONG)
    if claims.role != rules.role:
        raise TokenRejected(RejectionReason.ROLE_WRONG)


def display_fields(metadata: object) -> DisplayFields:
    """What the user calls themself. They can write anything here, so what is odd is left out, never rejected."""
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
