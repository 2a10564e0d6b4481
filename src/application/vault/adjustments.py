"""Correct a balance by hand, with its record: a bonus, a refund, a penalty, or a transaction taken back."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from application.database import LockedTransaction, TransactionLock
from application.idempotency import IdempotencyKey, StoredResponse
from application.transaction_context import AuditContext, Tx, details
from application.transactions import Transactions
from application.wallet.transfers import PostedTransaction
from domain.approvals import Approval
from domain.audit import AuditDetails, RequestInfo
from domain.errors import InvalidInput, UserNotFound
from domain.identity import Principal
from domain.limits import Limits
from domain.money import Money
from domain.policies import Action, Target
from domain.reversals import check_correctable, reverse
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


def post_adjustment(tx: Tx[Any], wallet: Wallet, command: AdjustCommand) -> tuple[Transaction, AuditDetails]:
    """Post what *command* says on *wallet*: the row, and what the audit log says of it.

    Raises:
        InsufficientFunds, BalanceLimit: the wallet does not allow it.
    """
    amount = command.amount if command.kind in CREDITS else -command.amount
    row = wallet.book(command.kind, amount, id=tx.new_id(), at=tx.now, note=command.note)
    tx.post(row)
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
                return tx.ask_for_approval(command.user_id, _request_of(command))
            row, after = post_adjustment(tx, wallet, command)
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


@dataclass(frozen=True, slots=True)
class PostedReversal:
    """The rows that took a transaction back, what its wallet could not give, and whether they were there before."""

    transactions: tuple[Transaction, ...]
    shortfall: Money
    is_new: bool


class ReverseTransaction:
    """An admin takes an adjustment or a transfer back, once. It needs no key: the rows name what they take back."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def __call__(
        self, principal: Principal, transaction_id: UUID, reason: str, request: RequestInfo
    ) -> PostedReversal:
        """The rows that take it back; those of the first time where it was done already.

        Raises:
            Unauthenticated, Forbidden: the caller may not, or a wallet is their own.
            NotFound: there is no such transaction.
            UserNotFound: a wallet is a deleted user's.
            InvalidInput: it is neither an adjustment nor a transfer.
            InsufficientFunds, BalanceLimit: nothing of it can be taken back now.
            Unavailable: the database does not answer.
        """
        audit = AuditContext(Action.REVERSE_TRANSACTION, request, transaction_id, reason=reason)

        def decide(tx: Tx[LockedTransaction]) -> PostedReversal:
            locked = tx.locked
            row, other = locked.row, locked.other
            tx.require(Target(row.user_id))
            if other is not None:
                tx.require(Target(other.user_id))
            check_correctable(row)
            if locked.reversals:
                taken = max(locked.reversals[0].amount, -locked.reversals[0].amount)
                return PostedReversal(locked.reversals, max(row.amount, -row.amount) - taken, is_new=False)
            second = None if other is None else (other, _wallet(locked, other), tx.new_id())
            reversal = reverse(row, _wallet(locked, row), id=tx.new_id(), at=tx.now, other=second)
            for posted, corrected in zip(reversal.rows, filter(None, (row, other)), strict=True):
                tx.post(posted, corrects=corrected.kind)
            tx.add_audit_entry(
                before=details(kind=row.kind, amount=row.amount, user_id=row.user_id),
                after=details(
                    corrects=row.id,
                    transaction_id=reversal.rows[0].id,
                    other_transaction_id=reversal.rows[1].id if other else None,
                    amount=reversal.rows[0].amount,
                    shortfall=reversal.shortfall,
                ),
            )
            return PostedReversal(reversal.rows, reversal.shortfall, is_new=True)

        return await self._transactions.run(principal, audit, TransactionLock(transaction_id), decide)


def _wallet(locked: LockedTransaction, row: Transaction) -> Wallet:
    wallet = locked.wallets.get(row.user_id)
    if wallet is None:
        raise UserNotFound
    return wallet
