"""The one door to everything that changes something: who asks, may they, decide, write, commit.

A use-case gives its decision as a pure function of what is locked; the door runs it, once more where the database
broke a conflict. What the decision buffers is written, with the audit row and the key's answer, in one statement, or
not at all.
"""

from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import stamina

from application.idempotency import IdempotencyKey, IdempotencyRecord, StoredResponse
from application.ports import NewId
from domain.approvals import Approval
from domain.audit import REFUSALS_KEPT, AuditAction, AuditDetails, AuditEntry, RequestInfo
from domain.errors import DomainError, Forbidden, Refusal, SerializationConflict, Unauthenticated
from domain.events import BalanceUpdated, Event
from domain.identity import Actor, Principal, Role
from domain.ledger import LedgerEntry
from domain.money import Money
from domain.policies import Action, Requirements, Target, audit_action, refusal, roles_for
from domain.posts import Post
from domain.profile import Ban, User
from domain.rewards import Earning, RewardedAction, RewardRate
from domain.wallet import Transaction, TransactionKind, Wallet
from domain.withdrawals import Withdrawal, paid_out

T = TypeVar("T")
L = TypeVar("L")
L_co = TypeVar("L_co", covariant=True)
NOTHING: AuditDetails = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LockedPost:
    """A post with all that a decision on it must know; the author's wallet is locked too.

    A deleted author has no wallet here: it is frozen. ``rate`` is what an approval pays, None where nothing was said.
    """

    post: Post
    author_wallet: Wallet | None
    earning: Earning | None
    rate: Money | None


@dataclass(frozen=True, slots=True)
class LockedUser:
    """A user whose role or ban is to change. ``other_admins``: those besides them, neither banned nor deleted."""

    user: User
    other_admins: int


@dataclass(frozen=True, slots=True)
class LockedRate:
    """What an action pays: zero where nothing was said yet."""

    rate: RewardRate


@dataclass(frozen=True, slots=True)
class LockedWithdrawal:
    """A withdrawal and its owner's wallet, a deleted owner's too; ``waiting`` is the approval that it waits for."""

    withdrawal: Withdrawal
    wallet: Wallet
    waiting: Approval | None = None


@dataclass(frozen=True, slots=True)
class LockedApproval:
    """An approval with what it is about: a wallet (None: frozen) to adjust, or a withdrawal to settle."""

    approval: Approval
    wallet: Wallet | None
    withdrawal: Withdrawal | None


@dataclass(frozen=True, slots=True)
class LockedTransaction:
    """A ledger row with its wallet, of a transfer the other side too, and the rows that took it back already.

    A deleted user's wallet is not among ``wallets``: it is frozen.
    """

    row: Transaction
    other: Transaction | None
    reversals: tuple[Transaction, ...]
    wallets: Mapping[UUID, Wallet]


@dataclass(frozen=True, slots=True)
class Lock(Generic[L_co]):
    """What is locked from the first statement on, beside the caller's own role and ban; see its subclasses.

    An adapter answers each with its ``Locked…``, or raises the ``…NotFound`` of its kind.
    """


@dataclass(frozen=True, slots=True)
class PostLock(Lock[LockedPost]):
    """A post, then its author's wallet."""

    post_id: UUID


@dataclass(frozen=True, slots=True)
class UserLock(Lock[LockedUser]):
    """A user's role and ban; all such transactions go one at a time, so that counting admins means something."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class RateLock(Lock[LockedRate]):
    """What an action pays."""

    action: RewardedAction


@dataclass(frozen=True, slots=True)
class WithdrawalLock(Lock[LockedWithdrawal]):
    """A withdrawal, then its owner's wallet."""

    withdrawal_id: UUID


@dataclass(frozen=True, slots=True)
class TransactionLock(Lock[LockedTransaction]):
    """A ledger row's wallet; of a transfer both, in the order of their ids."""

    transaction_id: UUID


@dataclass(frozen=True, slots=True)
class ApprovalLock(Lock[LockedApproval]):
    """What waits for a second admin, then the withdrawal or the wallet that it is about."""

    approval_id: UUID


@dataclass(frozen=True, slots=True)
class RefusalsLock(Lock[int]):
    """How many refusals of the caller were recorded lately: no other transaction adds one before this one ends.

    Counting stops at :data:`domain.audit.REFUSALS_KEPT`.
    """


@dataclass(frozen=True, slots=True)
class CallerLock(Lock[None]):
    """The caller's role and ban alone: what the caller may do is still so when the transaction commits."""


@dataclass(frozen=True, slots=True)
class Opening(Generic[L_co]):
    """What a transaction begins with; ``roles`` are those for whom anything of others is locked, or a key claimed.

    ``counts_spending``: the caller's wallet says what it gave in the last 24 hours.
    """

    roles: Collection[Role]
    lock: Lock[L_co] | None = None
    key: IdempotencyKey[Any] | None = None
    wallets: Collection[UUID] = ()
    counts_spending: bool = False


@dataclass(frozen=True, slots=True)
class Opened(Generic[L]):
    """What the first statements of a transaction found.

    ``wallets`` are locked until the end, and hold those of the users asked for who exist and are not deleted.
    ``earlier`` is what the request's key already stands for; then nothing is locked. ``locked`` answers the
    opening's lock: it is there if the caller's role is one of those that were named. ``now`` is the database's
    time (UTC), taken after the locks; ``epoch`` counts restores to an earlier time. An operator's transaction has
    no ``actor``.
    """

    actor: Actor | None
    now: datetime
    wallets: Mapping[UUID, Wallet] = field(default_factory=dict)
    locked: L | DomainError | None = None
    earlier: IdempotencyRecord | None = None
    epoch: int = 1

    @property
    def caller(self) -> Actor:
        """Who is asking."""
        if self.actor is None:
            raise RuntimeError("no session stands behind this transaction")
        return self.actor


@dataclass
class WriteBatch:
    """All that a transaction will write when it commits; several can be one (:meth:`extend`)."""

    transactions: list[Transaction] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    withdrawals: list[Withdrawal] = field(default_factory=list)
    roles: list[tuple[UUID, Role]] = field(default_factory=list)
    bans: list[Ban] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    approvals_decided: list[Approval] = field(default_factory=list)
    lifted_bans: list[UUID] = field(default_factory=list)
    rates: list[RewardRate] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    responses: list[tuple[UUID, str, StoredResponse]] = field(default_factory=list)

    def extend(self, other: "WriteBatch") -> None:
        """Write what *other* would, after what is here."""
        for part in fields(self):
            getattr(self, part.name).extend(getattr(other, part.name))

    def __bool__(self) -> bool:
        return any(getattr(self, part.name) for part in fields(self))


class OpenTransaction(Protocol[L]):
    """A transaction under way; leaving its block without :meth:`commit` undoes it."""

    @property
    def opened(self) -> Opened[L]:
        """What it found."""
        ...

    async def commit(self, writes: WriteBatch) -> None:
        """Make *writes* true, all of them: one statement, then COMMIT.

        Raises:
            Unavailable: it is unknown whether it committed; the same request finds out.
        """
        ...


class Database(Protocol):
    """Where transactions take place: the port that adapters implement."""

    def begin(
        self, principal: Principal, opening: Opening[L]
    ) -> AbstractAsyncContextManager[OpenTransaction[L]]:
        """Read who is asking, claim the key, and lock what *opening* names, wallets in id order.

        A caller who lives gets a profile and a wallet here if they have none. A key is claimed only for a session
        that is active, with one of the roles.

        Raises:
            IdempotencyKeyInProgress: another request with this key did not finish within two seconds.
            RateLimited: the caller has too many keys that are younger than a day.
            Unavailable: the database does not answer, or a lock was not to be had in time.
        """
        ...

    def begin_as_operator(self, lock: UserLock) -> AbstractAsyncContextManager[OpenTransaction[LockedUser]]:
        """The same for somebody with access to the database: no session stands behind it."""
        ...


@dataclass(frozen=True, slots=True)
class AuditContext:
    """Somebody tries a protected action: to whom, what exactly (``requested``), why, and from where."""

    action: Action
    request: RequestInfo
    target_id: UUID | None = None
    requested: AuditDetails = field(default_factory=dict)
    reason: str | None = None


def details(**values: object) -> AuditDetails:
    """What an audit row says: numbers as they are, anything else as its text."""
    return {
        name: value if value is None or isinstance(value, int) else str(value)
        for name, value in values.items()
    }


class Ledger:
    """Posts ledger rows, and never one without its other side and the event that it owes."""

    def __init__(self, writes: WriteBatch, new_id: NewId, currency: str, epoch: int) -> None:
        self._writes = writes
        self._new_id = new_id
        self._currency = currency
        self._epoch = epoch

    def post(self, *transactions: Transaction, corrects: TransactionKind | None = None) -> None:
        """Append *transactions*, and owe their users a ``balance_updated`` each; their wallets must be locked.

        A reversal says the kind that it *corrects*.
        """
        for row in transactions:
            self._writes.transactions.append(row)
            if (other := row.other_side(corrects)) is not None:
                self._writes.entries.append(other)
            self._writes.events.append(
                BalanceUpdated.of(row, event_id=self._new_id(), currency=self._currency, epoch=self._epoch)
            )

    def pay_out(self, withdrawal: Withdrawal) -> None:
        """Move what a completed *withdrawal* held from what is owed to what was paid."""
        self._writes.entries.extend(paid_out(withdrawal))


class Tx(Generic[L]):
    """What a decision sees of its transaction, and where it puts what is to be written."""

    def __init__(
        self,
        opened: Opened[L],
        locked: L,
        transactions: "Transactions",
        audit: AuditContext | None,
        action: Action,
    ) -> None:
        self.actor = opened.caller
        self.now = opened.now
        self.wallets = opened.wallets
        self.locked = locked
        self.new_id = transactions.new_id
        self.writes = WriteBatch()
        self.epoch = opened.epoch
        self.ledger = Ledger(self.writes, transactions.new_id, transactions.currency, opened.epoch)
        self._transactions = transactions
        self._audit = audit
        self._action = action

    def require(self, target: Target) -> None:
        """Return if the caller may do it to *target*.

        Raises:
            Forbidden: one of the rules refuses; the door records it.
        """
        if refused := self._transactions.refusal(self.actor, self._action, target):
            raise refused

    def is_allowed(self, action: Action) -> bool:
        """Whether the caller may do something else too; nothing is recorded."""
        return self._transactions.refusal(self.actor, action) is None

    def add_event(self, event: Event) -> None:
        """Owe *event* to its recipient's app."""
        self.writes.events.append(event)

    def add_audit_entry(
        self, *, before: AuditDetails, after: AuditDetails, action: AuditAction | None = None
    ) -> None:
        """Record what came of the action, under another word where one is given."""
        if self._audit is None:
            raise RuntimeError("only the vault's actions are recorded")
        self.writes.audit.append(
            self._transactions.audit_entry(
                self._audit, self.actor, self.now, before=before, after=after, action=action
            )
        )


retry_conflicts = stamina.retry(
    on=SerializationConflict, attempts=4, timeout=5, wait_initial=0.01, wait_max=0.2, wait_jitter=0.05
)
"""Runs a transaction again, a few times, when the database broke a deadlock or a serialization cycle."""


class Transactions:
    """The door. ``currency`` (ISO 4217) and ``requirements`` are the deployment's."""

    def __init__(self, database: Database, new_id: NewId, currency: str, requirements: Requirements) -> None:
        self._database = database
        self.new_id = new_id
        self.currency = currency
        self._requirements = requirements

    def refusal(self, actor: Actor, action: Action, target: Target | None = None) -> DomainError | None:
        """Why the policy table says no; see :func:`domain.policies.refusal`."""
        return refusal(actor, action, target, requirements=self._requirements)

    async def run(
        self, principal: Principal, audit: AuditContext, lock: Lock[L], decide: Callable[[Tx[L]], T]
    ) -> T:
        """Run a vault's decision on what *lock* names; a decision that buffers nothing writes nothing.

        Costs BEGIN, two statements, one that writes, and COMMIT. A refusal of the policy table is recorded by
        itself, then raised.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            NotFound: there is nothing to lock.
            DomainError: what *decide* raises; nothing is written.
            Unavailable: the database does not answer.
        """
        opening = Opening(roles_for(audit.action), lock)
        return await self._recorded(principal, audit, self._run(principal, audit, opening, decide))

    async def run_idempotent(
        self,
        principal: Principal,
        action: Action,
        key: IdempotencyKey[T],
        decide: Callable[[Tx[None]], T],
        *,
        wallets: Collection[UUID],
        target: Target = Target(),  # noqa: B008 - frozen
        audit: AuditContext | None = None,
        counts_spending: bool = False,
    ) -> StoredResponse:
        """Run *decide* once for each key, however often the request comes; *wallets* are locked.

        Whether the caller may do it is settled before any replay, and never touches the key. A refusal that sticks
        drops what was buffered, is stored with the key, and is raised. Costs BEGIN, two statements and COMMIT; one
        more where *audit* says that it is the vault's, for the lock of the caller's role.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            IdempotencyKeyReused, IdempotencyKeyInProgress, RateLimited: the key says so.
            Refusal: what *decide* answers at the first request; later ones get it as a response.
            Unavailable: the database does not answer.
        """
        lock = None if audit is None else CallerLock()
        opening: Opening[None] = Opening(roles_for(action), lock, key, wallets, counts_spending)
        running = self._run_idempotent(principal, action, opening, key, decide, target, audit)
        return await (running if audit is None else self._recorded(principal, audit, running))

    @retry_conflicts
    async def _run(
        self, principal: Principal, audit: AuditContext, opening: Opening[L], decide: Callable[[Tx[L]], T]
    ) -> T:
        async with self._database.begin(principal, opening) as transaction:
            opened = transaction.opened
            if refused := self.refusal(opened.caller, audit.action):
                raise refused
            if isinstance(opened.locked, DomainError):
                raise opened.locked
            if opened.locked is None:
                raise RuntimeError("a role that may do it was not named")
            tx = Tx(opened, opened.locked, self, audit, audit.action)
            result = decide(tx)
            if tx.writes:
                await transaction.commit(tx.writes)
            return result

    @retry_conflicts
    async def _run_idempotent(
        self,
        principal: Principal,
        action: Action,
        opening: Opening[None],
        key: IdempotencyKey[T],
        decide: Callable[[Tx[None]], T],
        target: Target,
        audit: AuditContext | None,
    ) -> StoredResponse:
        async with self._database.begin(principal, opening) as transaction:
            opened = transaction.opened
            if refused := self.refusal(opened.caller, action, target):
                raise refused
            if opened.earlier is not None:
                return opened.earlier.replay(key)
            tx = Tx(opened, None, self, audit, action)
            writes, sticking = tx.writes, None
            try:
                response = key.to_response(decide(tx))
            except Refusal as error:
                writes, sticking, response = WriteBatch(), error, key.to_response(error)
            writes.responses.append((principal.user_id, key.key, response))
            await transaction.commit(writes)
            if sticking is not None:
                raise sticking
            return response

    async def _recorded(
        self, principal: Principal, audit: AuditContext, running: Coroutine[Any, Any, T]
    ) -> T:
        try:
            return await running
        except (Unauthenticated, Forbidden) as refused:
            # By itself: the transaction that was refused leaves no trace, not even its key.
            await self.record_refusal(principal, audit, refused)
            raise

    @retry_conflicts
    async def record_refusal(self, principal: Principal, audit: AuditContext, refused: DomainError) -> None:
        """Record a refusal: staff have all of theirs recorded, anybody else a few, so that nobody fills the log."""
        opening = Opening(frozenset(Role), RefusalsLock())
        async with self._database.begin(principal, opening) as transaction:
            opened = transaction.opened
            recorded = opened.locked if isinstance(opened.locked, int) else 0
            if opened.caller.role is Role.USER and recorded >= REFUSALS_KEPT:
                return
            entry = self.audit_entry(
                audit,
                opened.caller,
                opened.now,
                before=NOTHING,
                after=audit.requested,
                refusal=refused.code,
            )
            await transaction.commit(WriteBatch(audit=[entry]))

    def audit_entry(
        self,
        audit: AuditContext,
        actor: Actor,
        at: datetime,
        *,
        before: AuditDetails,
        after: AuditDetails,
        refusal: str | None = None,
        action: AuditAction | None = None,
    ) -> AuditEntry:
        """The row of the audit log for what came of *audit*."""
        return AuditEntry(
            id=self.new_id(),
            actor_id=actor.user_id,
            session_id=actor.principal.session_id,
            action=action or audit_action(audit.action),
            target_id=audit.target_id,
            before=before,
            after=after,
            reason=audit.reason,
            request=audit.request,
            occurred_at=at,
            refusal=refusal,
        )
