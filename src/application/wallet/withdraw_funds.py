"""Ask for money to be paid out: it leaves the balance at once, and waits to be settled."""

from dataclasses import dataclass

from application.idempotency import Answer, KeyedRequest
from application.unit_of_work import Entry, UnitOfWork, UnitOfWorkFactory
from application.wallet.bookkeeper import Bookkeeper
from application.wallet.once import once
from domain.identity import Principal
from domain.money import Money
from domain.policies import Action
from domain.withdrawals import Hold, hold


@dataclass(frozen=True, slots=True)
class WithdrawCommand:
    """How much is to be paid out."""

    amount: Money
    note: str | None = None


class WithdrawFunds:
    """A user takes money out. Costs BEGIN, two statements and COMMIT."""

    def __init__(self, units: UnitOfWorkFactory, bookkeeper: Bookkeeper) -> None:
        self._units = units
        self._bookkeeper = bookkeeper

    async def __call__(
        self, session: Principal, command: WithdrawCommand, request: KeyedRequest
    ) -> Answer[Hold]:
        """Hold the money once for each key.

        Raises:
            InsufficientFunds: the wallet holds less.
            and what :func:`application.wallet.once.once` raises.
        """

        def decide(uow: UnitOfWork, entry: Entry) -> Hold:
            new_id = self._bookkeeper.new_id
            wallet = entry.wallets[session.user_id]
            held = hold(wallet, command.amount, ids=(new_id(), new_id()), at=entry.now, note=command.note)
            self._bookkeeper.book(uow, held.transaction)
            uow.save_withdrawal(held.withdrawal)
            return held

        return await once(
            self._units,
            session,
            request,
            action=Action.WITHDRAW,
            wallets={session.user_id},
            wanted=Hold,
            decide=decide,
        )
