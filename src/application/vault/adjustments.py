"""Correct a user's balance by hand: a bonus, a refund or a penalty, with its record."""

from dataclasses import dataclass
from uuid import UUID

from application.idempotency import IdempotencyKey, StoredResponse
from application.transactions import AuditContext, Transactions, Tx, details
from application.wallet.transfers import PostedTransaction
from domain.audit import RequestInfo
from domain.errors import InvalidInput, UserNotFound
from domain.identity import Principal
from domain.money import Money
from domain.policies import Action, Target
from domain.wallet import TransactionKind

CREDITS = frozenset({TransactionKind.BONUS, TransactionKind.REFUND})
DEBITS = frozenset({TransactionKind.PENALTY})


@dataclass(frozen=True, slots=True)
class AdjustCommand:
    """Whose wallet, why, how much (above zero; the kind gives the sign), and the note that the owner reads."""

    user_id: UUID
    kind: TransactionKind
    amount: Money
    note: str


class AdjustBalance:
    """An admin posts on somebody's wallet, never on their own."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def __call__(
        self,
        principal: Principal,
        command: AdjustCommand,
        key: IdempotencyKey[PostedTransaction],
        request: RequestInfo,
    ) -> StoredResponse:
        """Post once for each key.

        Raises:
            InvalidInput: the kind is not one that is posted by hand.
            UserNotFound: the user has no profile, or was deleted.
            InsufficientFunds, BalanceLimit: the wallet does not allow it.
            and what :meth:`application.transactions.Transactions.run_idempotent` raises.
        """
        if command.kind not in CREDITS | DEBITS:
            raise InvalidInput("The kind must be bonus, penalty or refund.")
        requested = details(kind=command.kind, amount=command.amount)
        audit = AuditContext(Action.ADJUST_BALANCE, request, command.user_id, requested, command.note)

        def decide(tx: Tx[None]) -> PostedTransaction:
            wallet = tx.wallets.get(command.user_id)
            if wallet is None:
                raise UserNotFound
            amount = command.amount if command.kind in CREDITS else -command.amount
            row = wallet.book(command.kind, amount, id=tx.new_id(), at=tx.now, note=command.note)
            tx.ledger.post(row)
            tx.add_audit_entry(
                before=details(balance=wallet.balance, version=wallet.version),
                after=details(
                    balance=row.balance_after,
                    version=row.version,
                    transaction_id=row.id,
                    kind=row.kind,
                    amount=row.amount,
                ),
            )
            return PostedTransaction.of(row, tx.epoch)

        return await self._transactions.run_idempotent(
            principal,
            Action.ADJUST_BALANCE,
            key,
            decide,
            wallets={command.user_id},
            target=Target(command.user_id),
            audit=audit,
        )
