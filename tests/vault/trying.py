"""How each protected action is tried on the use-cases, whatever the adapters are."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

from application.idempotency import KeyedRequest
from application.vault.ban_user import BanUser, LiftBan
from application.vault.book_transaction import BookCommand, BookTransaction
from application.vault.change_role import ChangeRole
from application.vault.gate import Gate
from application.vault.ports import AuditFilter
from application.vault.read_audit_log import ReadAuditLog
from application.vault.read_posts import ReadPost
from application.vault.read_users import ReadUser
from application.vault.reward_rates import ChangeRewardRate, ReadRewardRates
from application.vault.settle_withdrawal import SettleCommand, SettleWithdrawal
from application.vault.validate_post import ValidateCommand, ValidatePost
from application.vault.withdrawal_queue import ReadWithdrawalQueue
from application.wallet.transfer_funds import TransferCommand, TransferFunds
from application.wallet.withdraw_funds import WithdrawCommand, WithdrawFunds
from contract.world import BOOKKEEPER, World
from domain.audit import RequestInfo
from domain.errors import Forbidden, InsufficientFunds
from domain.identity import Principal, Role
from domain.money import Money
from domain.policies import Action
from domain.posts import Decision, PostStatus
from domain.rewards import RewardedAction
from domain.wallet import TransactionKind
from domain.withdrawals import WithdrawalStatus

ORIGIN = RequestInfo("request", "192.0.2.1")
ONE = Money(Decimal(1))


@dataclass(frozen=True, slots=True)
class Try:
    """Somebody tries something on a target: a post's id or a user's."""

    world: World
    gate: Gate
    me: Principal
    target: UUID


async def _transfer(at: Try) -> None:
    command = TransferCommand(at.target, ONE)
    with suppress(InsufficientFunds):
        await TransferFunds(at.world.units, BOOKKEEPER)(at.me, command, KeyedRequest(str(uuid4()), b""))


async def _withdraw(at: Try) -> None:
    with suppress(InsufficientFunds):
        await WithdrawFunds(at.world.units, BOOKKEEPER)(
            at.me, WithdrawCommand(ONE), KeyedRequest(str(uuid4()), b"")
        )


async def _book(at: Try) -> None:
    command = BookCommand(at.target, TransactionKind.BONUS, ONE, "for the poem")
    book = BookTransaction(at.world.units, BOOKKEEPER, at.gate)
    await book(at.me, command, KeyedRequest(str(uuid4()), b""), ORIGIN)


async def _decide(at: Try, status: PostStatus) -> None:
    validate = ValidatePost(at.world.units, BOOKKEEPER, at.gate)
    await validate(at.me, ValidateCommand(at.target, Decision(status, None, None)), ORIGIN)


async def _read_balance(at: Try) -> None:
    shown = await ReadUser(at.gate)(at.me, at.target, ORIGIN)
    if not shown.with_balance:
        raise Forbidden


TRIES: Mapping[Action, Callable[[Try], Awaitable[object]]] = {
    Action.TRANSFER: _transfer,
    Action.WITHDRAW: _withdraw,
    Action.BOOK_TRANSACTION: _book,
    Action.READ_WITHDRAWALS: lambda at: ReadWithdrawalQueue(at.world.withdrawal_queue, at.gate)(
        at.me, None, ORIGIN, after=None, limit=1
    ),
    Action.SETTLE_WITHDRAWAL: lambda at: SettleWithdrawal(at.world.units, BOOKKEEPER, at.gate)(
        at.me, SettleCommand(at.target, WithdrawalStatus.COMPLETED), ORIGIN
    ),
    Action.READ_POSTS: lambda at: ReadPost(at.gate)(at.me, at.target, ORIGIN),
    Action.VALIDATE_POST: lambda at: _decide(at, PostStatus.REJECTED),
    Action.REOPEN_POST: lambda at: _decide(at, PostStatus.PENDING),
    Action.READ_USERS: lambda at: ReadUser(at.gate)(at.me, at.target, ORIGIN),
    Action.READ_BALANCES: _read_balance,
    Action.CHANGE_ROLE: lambda at: ChangeRole(at.world.units, at.gate)(
        at.me, at.target, Role.MODERATOR, ORIGIN
    ),
    Action.BAN_USER: lambda at: BanUser(at.world.units, at.gate)(at.me, at.target, "spam", ORIGIN),
    Action.LIFT_BAN: lambda at: LiftBan(at.world.units, at.gate)(at.me, at.target, ORIGIN),
    Action.READ_REWARD_RATES: lambda at: ReadRewardRates(at.gate)(at.me, ORIGIN),
    Action.CHANGE_REWARD_RATE: lambda at: ChangeRewardRate(at.world.units, at.gate)(
        at.me, RewardedAction.POST_APPROVED, ONE, ORIGIN
    ),
    Action.READ_AUDIT_LOG: lambda at: ReadAuditLog(at.gate)(
        at.me, AuditFilter(), ORIGIN, after=None, limit=1
    ),
}
READING = {
    Action.READ_POSTS,
    Action.READ_USERS,
    Action.READ_BALANCES,
    Action.READ_REWARD_RATES,
    Action.READ_AUDIT_LOG,
    Action.READ_WITHDRAWALS,
}
UNRECORDED = {Action.TRANSFER, Action.WITHDRAW}
