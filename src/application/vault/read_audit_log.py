"""Read who did what to whom."""

from application.vault.gate import Attempt, Gate
from application.vault.page import Page, page_of
from application.vault.ports import AuditFilter, Position
from domain.audit import AuditEntry, RequestInfo
from domain.identity import Principal
from domain.policies import Action


class ReadAuditLog:
    """The audit log, newest first, for admins."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(
        self,
        session: Principal,
        wanted: AuditFilter,
        origin: RequestInfo,
        *,
        after: Position | None,
        limit: int,
    ) -> Page[AuditEntry]:
        """At most *limit* entries.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        async with self._gate.reading(session, Attempt(Action.READ_AUDIT_LOG, origin)) as (reader, _):
            found = await reader.audit_log(wanted, after=after, limit=limit + 1)
        return page_of(found, limit, lambda entry: Position(entry.occurred_at, entry.id))
