"""Why a token was rejected: for the log and the metrics, never for the caller."""

from enum import StrEnum


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
