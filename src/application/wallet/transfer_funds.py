"""Move money from the caller's wallet to another user's."""

from dataclasses import dataclass
from uuid import UUID

from application.idempotency import Answer, KeyedRequest
from application.unit_of_work import Entry, UnitOfWork, UnitOfWorkFactory
from application.wallet.bookkeeper import Bookkeeper
from application.wallet.once import once
from domain.errors import InvalidInput, UserNotFound
from domain.identity import Principal
from domain.money import Money
from domain.policies import Action
from domain.wallet import Transaction, transfer


@dataclass(frozen=True, slots=True)
class TransferCommand:
    """Who gets how much."""

    recipient_id: UUID
    amount: Money
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """The caller's side of what was booked; the balance and version after it are the transaction's."""

    transaction: Transaction


class TransferFunds:
    """A user pays another: two ledger rows that sum to zero, and an event to each."""

    def __init__(self, units: UnitOfWorkFactory, bookkeeper: Bookkeeper) -> None:
        self._units = units
        self._bookkeeper = bookkeeper

    async def __call__(
        self, session: Principal, command: TransferCommand, request: KeyedRequest
    ) -> Answer[Booked]:
        """Transfer once for each key.

        Raises:
            InvalidInput: to oneself.
            UserNotFound: the recipient has no profile, or was deleted.
            InsufficientFunds, BalanceLimit: a wallet does not allow it.
            and what :func:`application.wallet.once.once` raises.
        """
        if command.recipient_id == session.user_id:
            raise InvalidInput("A transfer goes to another user.")

        def decide(uow: UnitOfWork, entry: Entry) -> Booked:
            recipient = entry.wallets.get(command.recipient_id)
            if recipient is None:
                raise UserNotFound
            new_id = self._bookkeeper.new_id
            moved = transfer(
                entry.wallets[session.user_id],
                recipient,
                command.amount,
                ids=(new_id(), new_id(), new_id()),
                at=entry.now,
                note=command.note,
            )
            self._bookkeeper.book(uow, moved.sent, moved.received)
            return Booked(moved.sent)

        return await once(
            self._units,
            session,
            request,
            action=Action.TRANSFER,
            wallets={session.user_id, command.recipient_id},
            wanted=Booked,
            decide=decide,
        )
