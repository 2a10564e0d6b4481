"""Correct a user's balance by hand: a bonus, a refund or a penalty, with its record."""

from dataclasses import dataclass
from uuid import UUID

from application.idempotency import Answer, KeyedRequest
from application.unit_of_work import Entry, UnitOfWork, UnitOfWorkFactory
from application.wallet.bookkeeper import Bookkeeper
from application.wallet.once import once
from application.wallet.transfer_funds import Booked
from domain.audit import AuditAction, AuditEntry, Origin
from domain.errors import InvalidInput, UserNotFound
from domain.identity import Session
from domain.money import Money
from domain.policies import Action, Target
from domain.wallet import Transaction, TransactionKind, Wallet

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
    """An admin books on somebody's wallet, never on their own. Costs BEGIN, two statements and COMMIT."""

    def __init__(self, units: UnitOfWorkFactory, bookkeeper: Bookkeeper) -> None:
        self._units = units
        self._bookkeeper = bookkeeper

    async def __call__(
        self, session: Session, command: BookCommand, request: KeyedRequest, origin: Origin
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

        def decide(uow: UnitOfWork, entry: Entry) -> Booked:
            wallet = entry.wallets.get(command.user_id)
            if wallet is None:
                raise UserNotFound
            amount = command.amount if command.kind in CREDITS else -command.amount
            booked = wallet.book(
                command.kind, amount, id=self._bookkeeper.new_id(), at=entry.now, note=command.note
            )
            self._bookkeeper.book(uow, booked)
            uow.record(self._audit(wallet, booked, entry, origin))
            return Booked(booked)

        return await once(
            self._units,
            session,
            request,
            action=Action.BOOK_TRANSACTION,
            target=Target(owner_id=command.user_id),
            wallets={command.user_id},
            wanted=Booked,
            decide=decide,
        )

    def _audit(self, before: Wallet, booked: Transaction, entry: Entry, origin: Origin) -> AuditEntry:
        return AuditEntry(
            id=self._bookkeeper.new_id(),
            actor_id=entry.actor.user_id,
            session_id=entry.actor.session.session_id,
            action=AuditAction.TRANSACTION_BOOKED,
            target_id=booked.user_id,
            before={"balance": str(before.balance), "version": before.version},
            after={
                "balance": str(booked.balance_after),
                "version": booked.version,
                "transaction_id": str(booked.id),
                "kind": booked.kind,
                "amount": str(booked.amount),
            },
            reason=booked.note,
            origin=origin,
            occurred_at=entry.now,
        )
