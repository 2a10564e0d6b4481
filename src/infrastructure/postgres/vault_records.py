"""The vault's records: the audit log and the reward rates, read through advanced-alchemy."""

from collections.abc import Sequence
from uuid import UUID

from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from application.vault.ports import AuditFilter, Position
from domain.audit import AuditAction, AuditEntry, RequestInfo
from domain.money import Money
from domain.rewards import RewardedAction, RewardRate
from infrastructure.postgres.rows import uuid_of
from infrastructure.postgres.tables import AuditRow, RewardRateRow


class AuditRepository(SQLAlchemyAsyncRepository[AuditRow]):
    """The audit log, for lists."""

    model_type = AuditRow


class RewardRateRepository(SQLAlchemyAsyncRepository[RewardRateRow]):
    """The reward rates."""

    model_type = RewardRateRow
    id_attribute = "action"


async def audit_page(
    session: AsyncSession, wanted: AuditFilter, after: Position | None, limit: int
) -> Sequence[AuditEntry]:
    """At most *limit* entries after *after*, newest first."""
    conditions = [
        column == value
        for column, value in (
            (AuditRow.actor_id, wanted.actor_id),
            (AuditRow.target_id, wanted.target_id),
            (AuditRow.action, wanted.action),
        )
        if value is not None
    ]
    if after is not None:
        conditions.append(tuple_(AuditRow.occurred_at, AuditRow.id) < (after.at, after.id))
    rows = await AuditRepository(session=session).get_many(
        *conditions,
        LimitOffset(limit, 0),
        OrderBy(AuditRow.occurred_at, "desc"),
        OrderBy(AuditRow.id, "desc"),
    )
    return [_entry(row) for row in rows]


async def reward_rates(session: AsyncSession) -> Sequence[RewardRate]:
    """Every rate that was ever said."""
    rows = await RewardRateRepository(session=session).get_many(OrderBy(RewardRateRow.action))
    return [RewardRate(RewardedAction(row.action), Money(row.amount), row.updated_at) for row in rows]


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        id=UUID(int=row.id.int),
        actor_id=uuid_of(row.actor_id),
        session_id=uuid_of(row.session_id),
        action=AuditAction(row.action),
        target_id=uuid_of(row.target_id),
        before=row.before,
        after=row.after,
        reason=row.reason,
        origin=RequestInfo(row.request_id, row.client_address),
        occurred_at=row.occurred_at,
        refusal=row.refusal,
        operator=row.operator,
    )
