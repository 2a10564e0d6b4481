"""What waits for a second admin: asked for by one, decided by another, within seven days."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.errors import NotFound

LIFETIME: Final = timedelta(days=7)


class ApprovalStatus(StrEnum):
    """Where an approval stands; one that nobody decided in time has expired."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Approval:
    """Something that an admin asked for and another has to agree to.

    ``action`` is the action's name, ``target_id`` the user or the withdrawal, ``request`` what was asked for. Times
    are UTC.
    """

    id: UUID
    action: str
    target_id: UUID
    request: Mapping[str, str]
    requested_by: UUID
    created_at: datetime
    expires_at: datetime
    status: ApprovalStatus = ApprovalStatus.WAITING
    decided_by: UUID | None = None
    decided_at: datetime | None = None

    def is_waiting(self, at: datetime) -> bool:
        """Whether it can still be decided at *at*."""
        return self.status is ApprovalStatus.WAITING and at < self.expires_at

    def decide(self, status: ApprovalStatus, *, by: UUID, at: datetime) -> "Approval":
        """The approval once *by* has decided; the same approval where that is what was decided.

        Raises:
            NotFound: it was decided otherwise, or has expired: nothing waits any more.
        """
        if self.status is status:
            return self
        if not self.is_waiting(at):
            raise NotFound("Nothing waits under this id any more.")
        return replace(self, status=status, decided_by=by, decided_at=at)


def ask(
    action: str, target_id: UUID, request: Mapping[str, str], *, id: UUID, by: UUID, at: datetime
) -> Approval:
    """A new approval."""
    return Approval(id, action, target_id, request, by, at, at + LIFETIME)
