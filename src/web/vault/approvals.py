"""``/vault/approvals``: what waits for a second admin."""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, JSONBody

from application.ports import PageRequest, Position
from application.vault.approvals import DecideApproval, DecideCommand
from application.vault.reading import ReadVault
from domain.approvals import ApprovalStatus
from domain.errors import InvalidCursor
from domain.policies import Action, error_codes
from web.authentication import SessionRequest
from web.bodies import NoteField, wire
from web.endpoints import inject
from web.headers import request_info
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.query import UuidPath


class ApprovalOut(msgspec.Struct):
    """What an admin asked for; ``target_id`` is the user whose balance it is, or the withdrawal."""

    id: UUID
    action: str
    target_id: UUID
    request: dict[str, str]
    requested_by: UUID
    created_at: datetime
    expires_at: datetime
    status: ApprovalStatus
    decided_by: UUID | None
    decided_at: datetime | None


WAITS: Final = ResponseSpec(ApprovalOut, description="It waits for a second admin.", generate_examples=False)
"""What an action answers that needs a second admin."""


class ApprovalPageOut(msgspec.Struct):
    """Some approvals, oldest first; ``next_cursor`` is null on the last page."""

    items: list[ApprovalOut]
    next_cursor: str | None


class ApprovalDecision(StrEnum):
    """How a second admin decides."""

    APPROVED = "approved"
    REJECTED = "rejected"


class DecisionIn(msgspec.Struct, forbid_unknown_fields=True):
    """A second admin's decision."""

    decision: ApprovalDecision
    reason: NoteField | None = None


class ApprovalsController(Controller):
    """What waits for a second admin. For admins."""

    path = "/vault/approvals"
    tags = ("vault",)

    @get(
        responses=problems(*error_codes(Action.READ_APPROVALS), InvalidCursor.code),
        operation_id="listApprovals",
        summary="What waits for a second admin",
    )
    @inject
    async def approvals(
        self,
        request: SessionRequest,
        read_vault: FromDishka[ReadVault],
        cursors: FromDishka[Cursors],
        status: FromQuery[ApprovalStatus] = ApprovalStatus.WAITING,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response[ApprovalPageOut]:
        """List what waits, or what was decided, oldest first. For admins."""
        scope = ("approvals", request.user.user_id, status)
        after = cursors.read(cursor, Position, of=scope)
        page = await read_vault.approvals(
            request.user, status, request_info(request), PageRequest(limit, after)
        )
        return wire(ApprovalPageOut, cursors.page(page, of=scope))

    @post(
        "/{approval_id:str}",
        status_code=200,
        responses=problems(*error_codes(Action.DECIDE_APPROVAL)),
        operation_id="decideApproval",
        summary="Approve or reject as a second admin",
    )
    @inject
    async def decide(
        self,
        request: SessionRequest,
        decide_approval: FromDishka[DecideApproval],
        approval_id: UuidPath,
        data: JSONBody[DecisionIn],
    ) -> Response[ApprovalOut]:
        """Decide on what another admin asked for; what is approved happens at once. For admins."""
        command = DecideCommand(UUID(approval_id), ApprovalStatus(data.decision.value), data.reason)
        return wire(ApprovalOut, await decide_approval(request.user, command, request_info(request)))
