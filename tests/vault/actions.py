"""How each protected action is tried on the use-cases, whatever the adapters are."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

from application.ports import PageRequest
from application.transactions import Transactions
from application.vault.adjustments import AdjustBalance, AdjustCommand, ReverseTransaction
from application.vault.approvals import DecideApproval, DecideCommand
from application.vault.posts import ValidatePost
from application.vault.reading import AuditFilter, ReadVault
from application.vault.rewards import ChangeRewardRate
from application.vault.users import ChangeUser
from application.vault.withdrawals import SettleCommand, SettleWithdrawal
from application.wallet.transfers import TransferCommand, TransferFunds
from application.wallet.withdrawals import WithdrawCommand, WithdrawFunds
from contract.backend import Backend, key_of
from domain.approvals import ApprovalStatus
from domain.audit import RequestInfo
from domain.errors import Forbidden, InsufficientFunds
from domain.identity import Principal, Role
from domain.money import Money
from domain.policies import Action, Requirements
from domain.posts import Decision, PostStatus
from domain.rewards import RewardedAction
from domain.wallet import TransactionKind
from domain.withdrawals import WithdrawalStatus

ORIGIN = RequestInfo("request", "192.0.2.1")
ONE = Money(Decimal(1))


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody tries something on a target: the id of a user, a post, a withdrawal, a transaction or an approval."""

    backend: Backend
    requirements: Requirements
    me: Principal
    target: UUID

    @property
    def transactions(self) -> Transactions:
        """The door of the deployment."""
        return self.backend.transactions_for(self.requirements)

    @property
    def read_vault(self) -> ReadVault:
        """The way to the vault's lists."""
        return self.backend.read_vault_for(self.requirements)


async def _transfer(at: Call) -> None:
    command = TransferCommand(at.target, ONE)
    with suppress(InsufficientFunds):
        await TransferFunds(at.transactions)(at.me, command, key_of(str(uuid4()), "/", {}))


async def _withdraw(at: Call) -> None:
    with suppress(InsufficientFunds):
        await WithdrawFunds(at.transactions)(at.me, WithdrawCommand(ONE), key_of(str(uuid4()), "/", {}))


async def _book(at: Call) -> None:
    command = AdjustCommand(at.target, TransactionKind.BONUS, ONE, "for the poem")
    book = AdjustBalance(at.transactions)
    await book(at.me, command, key_of(str(uuid4()), "/", {}), ORIGIN)


async def _decide(at: Call, status: PostStatus) -> None:
    validate = ValidatePost(at.transactions)
    await validate(at.me, at.target, Decision(status, None, None), ORIGIN)


async def _read_balance(at: Call) -> None:
    shown = await at.read_vault.user(at.me, at.target, ORIGIN)
    if not shown.with_balance:
        raise Forbidden


CALLS: Mapping[Action, Callable[[Call], Awaitable[object]]] = {
    Action.TRANSFER: _transfer,
    Action.WITHDRAW: _withdraw,
    Action.ADJUST_BALANCE: _book,
    Action.REVERSE_TRANSACTION: lambda at: ReverseTransaction(at.transactions)(
        at.me, at.target, "by mistake", ORIGIN
    ),
    Action.READ_BOOKS: lambda at: at.read_vault.books(at.me, None, ORIGIN),
    Action.READ_APPROVALS: lambda at: at.read_vault.approvals(
        at.me, ApprovalStatus.WAITING, ORIGIN, PageRequest(1)
    ),
    Action.DECIDE_APPROVAL: lambda at: DecideApproval(at.transactions)(
        at.me, DecideCommand(at.target, ApprovalStatus.REJECTED), ORIGIN
    ),
    Action.READ_WITHDRAWALS: lambda at: at.read_vault.withdrawals(at.me, None, ORIGIN, PageRequest(1)),
    Action.SETTLE_WITHDRAWAL: lambda at: SettleWithdrawal(at.transactions)(
        at.me, SettleCommand(at.target, WithdrawalStatus.COMPLETED), ORIGIN
    ),
    Action.READ_POSTS: lambda at: at.read_vault.post(at.me, at.target, ORIGIN),
    Action.VALIDATE_POST: lambda at: _decide(at, PostStatus.REJECTED),
    Action.REOPEN_POST: lambda at: _decide(at, PostStatus.PENDING),
    Action.READ_USERS: lambda at: at.read_vault.user(at.me, at.target, ORIGIN),
    Action.READ_BALANCES: _read_balance,
    Action.CHANGE_ROLE: lambda at: ChangeUser(at.transactions).role(at.me, at.target, Role.MODERATOR, ORIGIN),
    Action.BAN_USER: lambda at: ChangeUser(at.transactions).ban(at.me, at.target, "spam", ORIGIN),
    Action.LIFT_BAN: lambda at: ChangeUser(at.transactions).lift_ban(at.me, at.target, ORIGIN),
    Action.READ_REWARD_RATES: lambda at: at.read_vault.reward_rates(at.me, ORIGIN),
    Action.CHANGE_REWARD_RATE: lambda at: ChangeRewardRate(at.transactions)(
        at.me, RewardedAction.POST_APPROVED, ONE, ORIGIN
    ),
    Action.READ_AUDIT_LOG: lambda at: at.read_vault.audit_log(at.me, AuditFilter(), ORIGIN, PageRequest(1)),
}
READING = {
    Action.READ_POSTS,
    Action.READ_USERS,
    Action.READ_BALANCES,
    Action.READ_REWARD_RATES,
    Action.READ_AUDIT_LOG,
    Action.READ_WITHDRAWALS,
    Action.READ_BOOKS,
    Action.READ_APPROVALS,
}
UNRECORDED = {Action.TRANSFER, Action.WITHDRAW}
