"""Every way in which LinguaLink says no, with the stable code that clients program against.

DomainError
├── Unauthenticated        the request proves no live session
│   ├── MissingToken
│   ├── InvalidToken
│   ├── ExpiredToken
│   └── SessionRevoked
├── Forbidden              the session is good, the right is missing
│   ├── OwnPost
│   ├── Banned
│   ├── AnonymousSession
│   ├── MfaRequired
│   ├── ClientNotAllowed
│   └── LastAdmin
├── InvalidInput           the request can't mean anything
│   ├── InvalidAmount
│   ├── InvalidCursor
│   ├── IdempotencyKeyMissing
│   └── IdempotencyKeyInvalid
├── Refusal                the answer of a use-case to a good request: it sticks to the idempotency key
│   ├── NotFound
│   │   ├── PostNotFound
│   │   ├── UserNotFound
│   │   └── WithdrawalNotFound
│   ├── InsufficientFunds
│   ├── BalanceLimit
│   ├── BelowMinimum
│   ├── DailyLimit
│   ├── WalletFrozen
│   └── WithdrawalAlreadySettled
├── PreconditionRequired
├── VersionMismatch
├── IdempotencyKeyInProgress
├── IdempotencyKeyReused
├── RateLimited
└── Unavailable            a part we depend on does not answer: the same request may be sent again
    └── SerializationConflict

Which status a code has is decided in ``web/problems.py`` and nowhere else.
"""

from typing import ClassVar


class DomainError(Exception):
    """A refusal with a stable ``code``; its text is for the caller, its cause only for the log."""

    code: ClassVar[str]
    detail: ClassVar[str]

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.detail)


class Unauthenticated(DomainError):
    """The request proves no live session."""


class MissingToken(Unauthenticated):
    """No Bearer token was sent."""

    code = "missing_token"
    detail = "Send a Supabase access token: Authorization: Bearer <token>."


class InvalidToken(Unauthenticated):
    """The token is not one of ours, or not well formed; the reason is logged, never told."""

    code = "invalid_token"
    detail = "The access token is not valid."


class ExpiredToken(Unauthenticated):
    """The token was good once."""

    code = "expired_token"
    detail = "The access token has expired; refresh the session and try again."


class SessionRevoked(Unauthenticated):
    """The session behind the token was signed out or has ended, or its user is gone."""

    code = "session_revoked"
    detail = "This session has ended; sign in again."


class Forbidden(DomainError):
    """The session is good, but no policy allows the action."""

    code = "forbidden"
    detail = "You may not do this."


class OwnPost(Forbidden):
    """Nobody validates their own post."""

    code = "own_post"
    detail = "Nobody may validate their own post."


class Banned(Forbidden):
    """A banned user reads and receives, and does nothing else."""

    code = "banned"
    detail = "This account is banned: it can read, but not move money or act."


class AnonymousSession(Forbidden):
    """An anonymous sign-in moves no money and acts in no vault."""

    code = "anonymous_session"
    detail = "Anonymous sessions can't do this; sign in with an account."


class MfaRequired(Forbidden):
    """The deployment wants a second factor in the vault, and the session has none."""

    code = "mfa_required"
    detail = "This needs a session with a second factor (aal2); verify one and try again."


class ClientNotAllowed(Forbidden):
    """The token was given to an OAuth client that the deployment does not trust with money or the vault."""

    code = "client_not_allowed"
    detail = "This application may read for you, but not move money or act in the vault."


class LastAdmin(Forbidden):
    """Without this user nobody could administer the app any more."""

    code = "last_admin"
    detail = "The last admin stays an admin; make somebody else one first."


class InvalidInput(DomainError):
    """The request can't mean anything."""

    code = "invalid_request"
    detail = "The request is not valid."


class InvalidAmount(InvalidInput):
    """The amount is no plain decimal, or out of range."""

    code = "invalid_amount"
    detail = (
        'An amount is a JSON string such as "12.50" or "0.005": above zero, at most 99999999.9999, with four decimals '
        "at most, and two for a withdrawal."
    )


class InvalidCursor(InvalidInput):
    """The cursor was not made by this service for this caller and this list."""

    code = "invalid_cursor"
    detail = "The cursor does not belong to this list; start again without one."


class IdempotencyKeyMissing(InvalidInput):
    """A money route was called without a key."""

    code = "idempotency_key_missing"
    detail = "Send an Idempotency-Key header, and the same one with every retry."


class IdempotencyKeyInvalid(InvalidInput):
    """The key is empty, too long, or not printable ASCII."""

    code = "idempotency_key_invalid"
    detail = "An Idempotency-Key is 1 to 255 printable ASCII characters."


class Refusal(DomainError):
    """The answer of a use-case to a well-formed request; a retry with the same key gets it again."""


class NotFound(Refusal):
    """There is no such thing, or the caller may not know of it."""

    code = "not_found"
    detail = "There is nothing here."


class PostNotFound(NotFound):
    """There is no such post."""

    code = "post_not_found"
    detail = "There is no such post."


class UserNotFound(NotFound):
    """There is no such user, or the account was deleted."""

    code = "user_not_found"
    detail = "There is no such user."


class WithdrawalNotFound(NotFound):
    """There is no such withdrawal."""

    code = "withdrawal_not_found"
    detail = "There is no such withdrawal."


class InsufficientFunds(Refusal):
    """The wallet holds less than the amount."""

    code = "insufficient_funds"
    detail = "The wallet does not hold that much."


class BalanceLimit(Refusal):
    """The balance would pass 99999999.9999."""

    code = "balance_limit"
    detail = "The balance would pass 99999999.9999."


class BelowMinimum(Refusal):
    """The deployment pays out no such small sums."""

    code = "below_minimum"
    detail = "This is less than the smallest withdrawal."


class DailyLimit(Refusal):
    """With this the wallet would have given more in 24 hours than the deployment allows."""

    code = "daily_limit"
    detail = "This is more than the wallet may still give within 24 hours."


class WalletFrozen(Refusal):
    """Nothing leaves the wallet by its owner's hand until an operator has cleared its balance up."""

    code = "wallet_frozen"
    detail = "This wallet is frozen: its balance has to be cleared up first."


class WithdrawalAlreadySettled(Refusal):
    """The withdrawal was settled with another outcome, and stays so."""

    code = "withdrawal_already_settled"
    detail = "This withdrawal was already settled with another outcome."


class PreconditionRequired(DomainError):
    """An approval must say which version of the post was seen."""

    code = "precondition_required"
    detail = 'To approve, send If-Match: "<version>" with the version that you saw.'


class VersionMismatch(DomainError):
    """The post changed since it was seen."""

    code = "version_mismatch"
    detail = "The post has changed since you saw it; look at it again."


class IdempotencyKeyInProgress(DomainError):
    """The first request with this key has not finished."""

    code = "idempotency_key_in_progress"
    detail = "The first request with this Idempotency-Key is still running; try again in a second."


class IdempotencyKeyReused(DomainError):
    """The key belongs to another request."""

    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was used for another request."


class RateLimited(DomainError):
    """Too many requests, or too many idempotency keys; ``retry_after_s`` says in how many seconds there is room."""

    code = "rate_limited"
    detail = "Too many requests; try again later."

    def __init__(self, retry_after_s: int) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class Unavailable(DomainError):
    """A part that the service depends on does not answer; nothing was lost, the request may be repeated."""

    code = "unavailable"
    detail = "The service can't answer right now; try again with the same Idempotency-Key."


class SerializationConflict(Unavailable):
    """The database asked for the transaction to be run again; use-cases do so, a few times."""
