"""Correct a user's balance by hand: a bonus, a refund or a penalty, with its record."""

from dataclasses import dataclass
from uuid import UUID

from application.idempotency import Answer, KeyedRequest
from application.unit_of_work import Entry, Lock, UnitOfWork, UnitOfWorkFactory
from application.vault.gate import Attempt, Gate, facts
from application.wallet.bookkeeper import Bookkeeper
from application.wallet.once import once
from application.wallet.transfer_funds import Booked
from domain.audit import Facts, RequestInfo
from domain.errors import Forbidden, InvalidInput, Unauthenticated, UserNotFound
from domain.identity import Principal
from domain.money import Money
from domain.policies import Action, Target
from domain.wallet import Transaction, TransactionKind

CREDITS = frozenset({TransactionKind.BONUS, TransactionKind.REFUND})
DEBITS = frozenset({TransactionKind.PENALTY})


@dataclass(frozen=True, slots=True)
class BookCommand:
    """Whose wallet, why, how much (above zero; the kind gives the sign), and the note that the owner reads."""

    user_id: UUID
    kind: TransactionKind
    amount: Money
    note: str


class BookTransaction:
    """An admin books on somebody's wallet, never on their own. Costs BEGIN, three statements and COMMIT."""

    def __init__(self, units: UnitOfWorkFactory, bookkeeper: Bookkeeper, gate: Gate) -> None:
        self._units = units
        self._bookkeeper = bookkeeper
        self._gate = gate

    async def __call__(
        self, session: Principal, command: BookCommand, request: KeyedRequest, origin: RequestInfo
    ) -> Answer[Booked]:
        """Book once for each key.

        Raises:
            InvalidInput: the kind is not one that is booked by hand.
            UserNotFound: the user has no profile, or was deleted.
            InsufficientFunds, BalanceLimit: the wallet does not allow it.
            and what :func:`application.wallet.once.once` raises.
        """
        if command.kind not in CREDITS | DEBITS:
            raise InvalidInput("The kind must be bonus, penalty or refund.")
        asked = facts(kind=command.kind, amount=command.amount)
        attempt = Attempt(Action.BOOK_TRANSACTION, origin, command.user_id, asked, command.note)

        def decide(uow: UnitOfWork, entry: Entry) -> Booked:
            wallet = entry.wallets.get(command.user_id)
            if wallet is None:
                raise UserNotFound
            amount = command.amount if command.kind in CREDITS else -command.amount
            booked = wallet.book(
                command.kind, amount, id=self._bookkeeper.new_id(), at=entry.now, note=command.note
            )
            self._bookkeeper.book(uow, booked)
            before = facts(balance=wallet.balance, version=wallet.version)
            self._gate.record(uow, entry, attempt, before=before, after=_facts_of(booked), at=entry.now)
            return Booked(booked)

        try:
            return await once(
                self._units,
                session,
                request,
                action=attempt.action,
                target=Target(command.user_id),
                wallets={command.user_id},
                wanted=Booked,
                decide=decide,
                lock=Lock.CALLER,
                vault_assurance=self._gate.vault_assurance,
            )
        except (Unauthenticated, Forbidden) as refused:
            # Apart: the transaction that was refused has claimed the key, which a refusal must not touch.
            await self._gate.record_refusal(session, attempt, refused)
            raise


def _facts_of(booked: Transaction) -> Facts:
    return facts(
        balance=booked.balance_after,
        version=booked.version,
        transaction_id=booked.id,
        kind=booked.kind,
        amount=booked.amount,
    )
