"""``/vault/audit-log``: who did what to whom."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, get
from litestar.params import FromQuery

from application.ports import PageRequest, Position, Row
from application.vault.reading import AuditFilter, ReadVault
from domain.audit import AuditAction
from domain.errors import InvalidCursor
from domain.policies import Action, error_codes
from web.authentication import SessionRequest
from web.bodies import wire
from web.endpoints import inject
from web.headers import request_info
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.query import UuidQuery


class AuditOutcome(StrEnum):
    """Whether it was done, or refused by a policy."""

    DONE = "done"
    REFUSED = "refused"


class AuditEntryOut(msgspec.Struct):
    """One decision. Of a refusal ``before`` is empty, and ``after`` is what was asked for.

    The actor is a user (``actor_id``, ``session_id``), or an ``operator``: the database role that was used.
    """

    id: UUID
    actor_id: UUID | None
    session_id: UUID | None
    operator: str | None
    action: AuditAction
    outcome: AuditOutcome
    refusal: str | None
    target_id: UUID | None
    before: dict[str, str | int | None]
    after: dict[str, str | int | None]
    reason: str | None
    request_id: str
    client_address: str | None
    occurred_at: datetime


class AuditPageOut(msgspec.Struct):
    """Some entries, newest first; ``next_cursor`` is null on the last page."""

    items: list[AuditEntryOut]
    next_cursor: str | None


class AuditLogController(Controller):
    """The record of protected actions. For admins."""

    path = "/vault/audit-log"
    tags = ("vault",)

    @get(
        responses=problems(*error_codes(Action.READ_AUDIT_LOG), InvalidCursor.code),
        operation_id="readAuditLog",
        summary="Who did what to whom",
    )
    @inject
    async def entries(
        self,
        request: SessionRequest,
        read_vault: FromDishka[ReadVault],
        cursors: FromDishka[Cursors],
        actor_id: UuidQuery = None,
        target_id: UuidQuery = None,
        action: FromQuery[AuditAction | None] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response[AuditPageOut]:
        """List decisions, refusals included, newest first. For admins."""
        wanted = AuditFilter(
            UUID(actor_id) if actor_id else None, UUID(target_id) if target_id else None, action
        )
        scope = ("audit", request.user.user_id, wanted)
        after = cursors.read(cursor, Position, of=scope)
        page = await read_vault.audit_log(
            request.user, wanted, request_info(request), PageRequest(limit, after)
        )
        return wire(AuditPageOut, cursors.page(page, of=scope, complete=_with_outcome))


def _with_outcome(row: Row) -> Row:
    outcome = AuditOutcome.DONE if row["refusal"] is None else AuditOutcome.REFUSED
    return {**row, "outcome": outcome}
