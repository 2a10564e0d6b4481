"""Read the withdrawals that wait to be settled."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from application.vault.gate import Attempt, Gate
from application.wallet.ports import WithdrawalPosition
from application.wallet.read_withdrawals import WithdrawalPage
from domain.audit import RequestInfo
from domain.identity import Actor, Principal
from domain.policies import Action
from domain.withdrawals import Withdrawal, WithdrawalStatus


class WithdrawalReader(Protocol):
    """A reading transaction on everybody's withdrawals."""

    async def enter(self, session: Principal) -> Actor:
        """Who is asking, with role and account_status as they are now."""
        ...

    async def withdrawals(
        self, status: WithdrawalStatus | None, *, after: WithdrawalPosition | None, limit: int
    ) -> Sequence[Withdrawal]:
        """At most *limit* withdrawals after *after*, oldest first."""
        ...


WithdrawalReaderFactory = Callable[[], AbstractAsyncContextManager[WithdrawalReader]]


class ReadWithdrawalQueue:
    """Everybody's withdrawals, for admins: the caller's right and the page are read in one transaction.

    Costs two statements, three for a first-time caller.
    """

    def __init__(self, readers: WithdrawalReaderFactory, gate: Gate) -> None:
        self._readers = readers
        self._gate = gate

    async def __call__(
        self,
        session: Principal,
        status: WithdrawalStatus | None,
        origin: RequestInfo,
        *,
        after: WithdrawalPosition | None,
        limit: int,
    ) -> WithdrawalPage:
        """At most *limit* withdrawals, oldest first.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        attempt = Attempt(Action.READ_WITHDRAWALS, origin)
        async with self._gate.reading_from(self._readers, session, attempt) as (reader, _):
            found = await reader.withdrawals(status, after=after, limit=limit + 1)
        return WithdrawalPage.of(found, limit)
