"""Read who did what to whom."""

from application.authorization import AuditFilter, Authorizer
from application.ports import Page, Position, Row, page_of
from application.transactions import AuditContext
from domain.audit import RequestInfo
from domain.identity import Principal
from domain.policies import Action


class ReadAuditLog:
    """The audit log, newest first, for admins."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def __call__(
        self,
        principal: Principal,
        wanted: AuditFilter,
        request: RequestInfo,
        *,
        after: Position | None,
        limit: int,
    ) -> Page[Row, Position]:
        """At most *limit* entries.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        audit = AuditContext(Action.READ_AUDIT_LOG, request)
        async with self._authorizer.authorized_reader(principal, audit) as (reader, _):
            found = await reader.audit_log(wanted, after=after, limit=limit + 1)
        return page_of(found, limit, lambda row: Position(row["occurred_at"], row["id"]))
