"""Read the caller's own withdrawals."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.profile.ports import Accounts
from application.wallet.ports import WithdrawalPosition, Withdrawals
from domain.identity import Principal
from domain.withdrawals import Withdrawal, WithdrawalStatus


@dataclass(frozen=True, slots=True)
class WithdrawalPage:
    """Some withdrawals, and where the next page goes on (None at the end)."""

    withdrawals: Sequence[Withdrawal]
    next_after: WithdrawalPosition | None

    @classmethod
    def of(cls, found: Sequence[Withdrawal], limit: int) -> "WithdrawalPage":
        """The first *limit* of *found*, which holds one more where there is another page."""
        page = found[:limit]
        more = len(found) > limit
        return cls(page, WithdrawalPosition(page[-1].created_at, page[-1].id) if more else None)


class ReadWithdrawals:
    """The caller's own withdrawals: one round trip, two where there are none."""

    def __init__(self, accounts: Accounts, withdrawals: Withdrawals) -> None:
        self._accounts = accounts
        self._withdrawals = withdrawals

    async def __call__(
        self,
        session: Principal,
        status: WithdrawalStatus | None,
        *,
        after: WithdrawalPosition | None,
        limit: int,
    ) -> WithdrawalPage:
        """At most *limit* withdrawals, newest first.

        Raises:
            Unavailable: the database does not answer.
        """
        found = await self._withdrawals.of_user(session.user_id, status, after=after, limit=limit + 1)
        if not found:
            await self._accounts.open(session)
        return WithdrawalPage.of(found, limit)
