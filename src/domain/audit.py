"""The record of protected actions: who did what to whom, with before and after, refusals included."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

REFUSALS_KEPT: Final = 10
"""How many refusals of one plain user are recorded in :data:`REFUSALS_PERIOD`; staff have all of theirs recorded."""
REFUSALS_PERIOD: Final = timedelta(hours=1)

AuditDetails = Mapping[str, str | int | None]


class AuditAction(StrEnum):
    """The closed list of what is recorded. Readings are recorded only where they were refused."""

    POST_READ = "post.read"
    POST_VALIDATION_CHANGED = "post.validation_changed"
    USER_READ = "user.read"
    ROLE_CHANGED = "role.changed"
    USER_BANNED = "user.banned"
    BAN_LIFTED = "ban.lifted"
    REWARD_RATE_READ = "reward_rate.read"
    REWARD_RATE_CHANGED = "reward_rate.changed"
    AUDIT_LOG_READ = "audit_log.read"
    TRANSACTION_BOOKED = "transaction.booked"
    TRANSACTION_REVERSED = "transaction.reversed"
    BOOKS_READ = "books.read"
    APPROVAL_READ = "approval.read"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_DECIDED = "approval.decided"
    WITHDRAWAL_READ = "withdrawal.read"
    WITHDRAWAL_SETTLED = "withdrawal.settled"
    USER_ERASED = "user.erased"
    EVENT_DROPPED = "event.dropped"
    WALLET_FROZEN = "wallet.frozen"
    WALLET_UNFROZEN = "wallet.unfrozen"
    LEDGER_RESTORED = "ledger.restored"


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """Where a request came from, as the audit log keeps it."""

    request_id: str
    client_address: str | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One decision. It commits together with what it records, or neither does. ``occurred_at`` is UTC.

    The actor is a signed-in user (``actor_id`` with ``session_id``) or an operator with access to the database:
    then both are None, and ``operator`` is the database role that was used. ``refusal`` is the code of the policy's
    refusal: then nothing changed, ``before`` is empty and ``after`` is what was asked for.
    """

    id: UUID
    actor_id: UUID | None
    session_id: UUID | None
    action: AuditAction
    target_id: UUID | None
    before: AuditDetails
    after: AuditDetails
    reason: str | None
    request: RequestInfo
    occurred_at: datetime
    refusal: str | None = None
    operator: str | None = None
