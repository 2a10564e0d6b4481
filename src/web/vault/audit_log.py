"""``/vault/audit-log``: who did what to whom."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, get
from litestar.params import FromQuery

from application.vault.ports import AuditFilter, Position
from application.vault.read_audit_log import ReadAuditLog
from domain.audit import AuditAction, AuditEntry
from domain.identity import Principal
from web.fields import UuidQuery
from web.headers import origin
from web.injection import inject
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.vault.controller import CALLER


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

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """The answer for *entry*."""
        return cls(
            id=entry.id,
            actor_id=entry.actor_id,
            session_id=entry.session_id,
            operator=entry.operator,
            action=entry.action,
            outcome=AuditOutcome.DONE if entry.refusal is None else AuditOutcome.REFUSED,
            refusal=entry.refusal,
            target_id=entry.target_id,
            before=dict(entry.before),
            after=dict(entry.after),
            reason=entry.reason,
            request_id=entry.origin.request_id,
            client_address=entry.origin.client_address,
            occurred_at=entry.occurred_at,
        )


class AuditPageOut(msgspec.Struct):
    """Some entries, newest first; ``next_cursor`` is null on the last page."""

    items: list[AuditEntryOut]
    next_cursor: str | None


class AuditLogController(Controller):
    """The record of protected actions. For admins."""

    path = "/vault/audit-log"
    tags = ["vault"]  # noqa: RUF012 - Litestar's form

    @get(
        responses=problems(*CALLER, "invalid_cursor"),
        operation_id="readAuditLog",
        summary="Who did what to whom",
    )
    @inject
    async def entries(
        self,
        request: Request[Principal, Any, Any],
        read_audit_log: FromDishka[ReadAuditLog],
        cursors: FromDishka[Cursors],
        actor_id: UuidQuery = None,
        target_id: UuidQuery = None,
        action: FromQuery[AuditAction | None] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> AuditPageOut:
        """List decisions, refusals included, newest first. For admins."""
        wanted = AuditFilter(
            UUID(actor_id) if actor_id else None, UUID(target_id) if target_id else None, action
        )
        listed = ("audit", request.user.user_id, wanted)
        page = await read_audit_log(
            request.user,
            wanted,
            origin(request),
            after=cursors.read(cursor, Position, of=listed),
            limit=limit,
        )
        following = None if page.next_after is None else cursors.write(page.next_after, of=listed)
        return AuditPageOut([AuditEntryOut.of(entry) for entry in page.items], following)
