"""What waits for a second admin: asking, looking, deciding."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from application.authorization import Authorizer
from application.ports import Page, Position, Row, page_of, position_of
from application.transactions import AuditContext, Tx, details
from domain.approvals import Approval, ApprovalStatus, ask
from domain.audit import AuditAction, RequestInfo
from domain.identity import Principal
from domain.policies import Action


def ask_for_approval(tx: Tx[Any], action: Action, target_id: UUID, request: Mapping[str, str]) -> Approval:
    """Put *request* before the other admins, and record that it was asked for."""
    approval = ask(action.value, target_id, request, id=tx.new_id(), by=tx.actor.user_id, at=tx.now)
    tx.writes.approvals.append(approval)
    tx.add_audit_entry(
        before={},
        after=details(approval_id=approval.id, action=action.value, **request),
        action=AuditAction.APPROVAL_REQUESTED,
    )
    return approval


class ReadApprovals:
    """What waits, and what was decided, for admins."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def __call__(
        self,
        principal: Principal,
        status: ApprovalStatus,
        request: RequestInfo,
        *,
        after: Position | None,
        limit: int,
    ) -> Page[Row, Position]:
        """At most *limit* approvals, oldest first.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        audit = AuditContext(Action.READ_APPROVALS, request)
        async with self._authorizer.authorized_reader(principal, audit) as (reader, _):
            found = await reader.approvals(status, after=after, limit=limit + 1)
        return page_of(found, limit, position_of)


@dataclass(frozen=True, slots=True)
class DecideCommand:
    """Which approval, what is decided (approved or rejected), and why."""

    approval_id: UUID
    status: ApprovalStatus
    reason: str | None = None
