"""Books transactions, and never one without the event that it owes."""

from dataclasses import dataclass

from application.ports import NewId
from application.unit_of_work import UnitOfWork
from domain.events import BalanceUpdated
from domain.wallet import Transaction


@dataclass(frozen=True, slots=True)
class Bookkeeper:
    """Writes ledger rows into a unit of work; ``currency`` is the deployment's (ISO 4217)."""

    new_id: NewId
    currency: str

    def book(self, uow: UnitOfWork, *transactions: Transaction) -> None:
        """Append *transactions*, and owe their users a ``balance_updated`` each."""
        for transaction in transactions:
            uow.book(transaction)
            uow.announce(BalanceUpdated.of(transaction, event_id=self.new_id(), currency=self.currency))
