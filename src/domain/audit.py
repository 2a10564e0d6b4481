"""The record of protected actions: who did what to whom, with before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class AuditAction(StrEnum):
    """The closed list of what is recorded."""

    POST_VALIDATION_CHANGED = "post.validation_changed"
    TRANSACTION_BOOKED = "transaction.booked"
    WITHDRAWAL_SETTLED = "withdrawal.settled"
    USER_ERASED = "user.erased"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, as the audit log keeps it."""

    request_id: str
    client_address: str | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One decision. It commits together with what it records, or neither does. ``occurred_at`` is UTC."""

    id: UUID
    actor_id: UUID
    session_id: UUID
    action: AuditAction
    target_id: UUID
    before: Mapping[str, str | int | None]
    after: Mapping[str, str | int | None]
    reason: str | None
    origin: Origin
    occurred_at: datetime
