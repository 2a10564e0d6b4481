"""Correct a user's balance by hand: a bonus, a refund or a penalty, with its record."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from application.idempotency import IdempotencyKey, StoredResponse
from application.transactions import AuditContext, Ledger, Transactions, Tx, details
from application.vault.approvals import ask_for_approval
from application.wallet.transfers import PostedTransaction
from domain.approvals import Approval
from domain.audit import AuditDetails, RequestInfo
from domain.errors import InvalidInput, UserNotFound
from domain.identity import Principal
from domain.limits import Limits
from domain.money import Money
from domain.policies import Action, Target
from domain.wallet import Transaction, TransactionKind, Wallet

CREDITS = frozenset({TransactionKind.BONUS, TransactionKind.REFUND})
DEBITS = frozenset({TransactionKind.PENALTY})


@dataclass(frozen=True, slots=True)
class AdjustCommand:
    """Whose wallet, why, how much (above zero; the kind gives the sign), and the note that the owner reads."""

    user_id: UUID
    kind: TransactionKind
    amount: Money
    note: str


def post_adjustment(
    ledger: Ledger, wallet: Wallet, command: AdjustCommand, *, id: UUID, at: datetime
) -> tuple[Transaction, AuditDetails]:
    """Post what *command* says on *wallet*: the row, and what the audit log says of it.

    Raises:
        InsufficientFunds, BalanceLimit: the wallet does not allow it.
    """
    amount = command.amount if command.kind in CREDITS else -command.amount
    row = wallet.book(command.kind, amount, id=id, at=at, note=command.note)
    ledger.post(row)
    return row, details(
        balance=row.balance_after,
        version=row.version,
        transaction_id=row.id,
        kind=row.kind,
        amount=row.amount,
    )


def _request_of(command: AdjustCommand) -> dict[str, str]:
    return {"kind": command.kind.value, "amount": str(command.amount), "note": command.note}


def command_of(approval: Approval) -> AdjustCommand:
    """What an approval of an adjustment asked for."""
    asked = approval.request
    kind, amount = TransactionKind(asked["kind"]), Money(Decimal(asked["amount"]))
    return AdjustCommand(approval.target_id, kind, amount, asked["note"])


class AdjustBalance:
    """An admin posts on somebody's wallet, never on their own."""

    def __init__(self, transactions: Transactions, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self._transactions = transactions
        self._limits = limits

    async def __call__(
        self,
        principal: Principal,
        command: AdjustCommand,
        key: IdempotencyKey[PostedTransaction | Approval],
        request: RequestInfo,
    ) -> StoredResponse:
        """Post once for each key, or ask once for another admin's approval where the amount needs it.

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

        def decide(tx: Tx[None]) -> PostedTransaction | Approval:
            wallet = tx.wallets.get(command.user_id)
            if wallet is None:
                raise UserNotFound
            if self._limits.needs_second_admin(command.amount):
                return ask_for_approval(tx, Action.ADJUST_BALANCE, command.user_id, _request_of(command))
            row, after = post_adjustment(tx.ledger, wallet, command, id=tx.new_id(), at=tx.now)
            tx.add_audit_entry(before=details(balance=wallet.balance, version=wallet.version), after=after)
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
