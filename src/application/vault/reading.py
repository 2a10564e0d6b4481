"""Read in the vault: the policy table decides, and what it refuses is recorded before it is told."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn, Protocol
from uuid import UUID

from application.ports import Page, PageRequest, Position, Row, position_of
from application.transaction_context import AuditContext
from application.transactions import Transactions
from application.vault.users import UserView
from domain.approvals import ApprovalStatus
from domain.audit import AuditAction, RequestInfo
from domain.errors import DomainError, PostNotFound, UserNotFound
from domain.identity import Actor, Principal, Role, User
from domain.policies import Action, roles_for
from domain.posts import PostKind, PostStatus
from domain.withdrawals import WithdrawalStatus

COUNTED_TO: Final = 10_000
"""Where counting the posts of a status stops: it costs the same however many there are."""


@dataclass(frozen=True, slots=True)
class PostFilter:
    """Which posts of the queue are wanted."""

    status: PostStatus | None = None
    language: str | None = None
    kind: PostKind | None = None
    author_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users are wanted: whose username or full name begins with ``query``, or whose id it is; any case."""

    query: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows of the audit log are wanted."""

    actor_id: UUID | None = None
    target_id: UUID | None = None
    action: AuditAction | None = None


class VaultReader(Protocol):
    """The vault's lists, each one statement."""

    async def enter(self, principal: Principal) -> Actor:
        """Who is asking, with role and account status as they are now."""
        ...

    async def posts(self, wanted: PostFilter, page: PageRequest[Position]) -> Sequence[Row]:
        """The posts of *page*, and one more if more follow; oldest first."""
        ...

    async def post(self, post_id: UUID) -> Row | None:
        """The post; None when there is none."""
        ...

    async def post_counts(self) -> Row:
        """How many posts each status has; :data:`COUNTED_TO` means that many or more."""
        ...

    async def users(self, wanted: UserFilter, page: PageRequest[Position]) -> Sequence[User]:
        """The users of *page*, and one more if more follow; newest first, deleted ones among them."""
        ...

    async def user(self, user_id: UUID) -> User | None:
        """The user; None when there is no profile."""
        ...

    async def reward_rates(self) -> Sequence[Row]:
        """What actions pay, as far as anything was said, in the order of their names."""
        ...

    async def approvals(self, status: ApprovalStatus, page: PageRequest[Position]) -> Sequence[Row]:
        """The approvals of *page*, and one more if more follow; oldest first; what is too late has expired."""
        ...

    async def books(
        self, principal: Principal, roles: Iterable[Role], at: datetime | None
    ) -> tuple[Actor, Sequence[Row]]:
        """Who is asking, as :meth:`enter` says, and for one of *roles* the books at *at* (UTC), or now: one statement.

        They are ``account`` and ``total`` of every account; all wallets together are one.
        """
        ...

    async def audit_log(self, wanted: AuditFilter, page: PageRequest[Position]) -> Sequence[Row]:
        """The entries of *page*, and one more if more follow; newest first."""
        ...

    async def withdrawals(
        self, status: WithdrawalStatus | None, page: PageRequest[Position]
    ) -> Sequence[Row]:
        """The withdrawals of everybody of *page*, and one more if more follow; oldest first."""
        ...


VaultReaderFactory = Callable[[], AbstractAsyncContextManager[VaultReader]]


class ReadVault:
    """What the vault shows, to whom the table allows it; each a page of a list, or one thing.

    Raises:
        Unauthenticated, Forbidden: the caller may not, which is recorded first; see :func:`domain.policies.refusal`.
        Unavailable: the database does not answer.
    """

    def __init__(self, transactions: Transactions, readers: VaultReaderFactory) -> None:
        self._transactions = transactions
        self._readers = readers

    async def posts(
        self, principal: Principal, wanted: PostFilter, request: RequestInfo, page: PageRequest[Position]
    ) -> Page[Row, Position]:
        """The posts, oldest first."""
        async with self._reader(principal, Action.READ_POSTS, request) as (reader, _):
            return page.of(await reader.posts(wanted, page), position_of)

    async def post(self, principal: Principal, post_id: UUID, request: RequestInfo) -> Row:
        """The post with its version.

        Raises:
            PostNotFound: there is no such post.
        """
        async with self._reader(principal, Action.READ_POSTS, request, post_id) as (reader, _):
            post = await reader.post(post_id)
        if post is None:
            raise PostNotFound
        return post

    async def post_counts(self, principal: Principal, request: RequestInfo) -> Row:
        """How many posts each status has; see :data:`COUNTED_TO`."""
        async with self._reader(principal, Action.READ_POSTS, request) as (reader, _):
            return await reader.post_counts()

    async def users(
        self, principal: Principal, wanted: UserFilter, request: RequestInfo, page: PageRequest[Position]
    ) -> Page[UserView, Position]:
        """The users, newest first; fewer where some are deleted, though more may follow."""
        async with self._reader(principal, Action.READ_USERS, request) as (reader, actor):
            found = await reader.users(wanted, page)
        users = page.of(found, lambda user: Position(user.created_at, user.id))
        # Left out here, not in the query: asking Supabase Auth's tables about every match would have no bound.
        shown = [self._view(actor, user) for user in users.items if not user.deleted]
        return Page(shown, users.next_after)

    async def user(self, principal: Principal, user_id: UUID, request: RequestInfo) -> UserView:
        """The user as they are now.

        Raises:
            UserNotFound: there is no such profile, or its user is deleted.
        """
        async with self._reader(principal, Action.READ_USERS, request, user_id) as (reader, actor):
            user = await reader.user(user_id)
        if user is None or user.deleted:
            raise UserNotFound
        return self._view(actor, user)

    async def reward_rates(self, principal: Principal, request: RequestInfo) -> Sequence[Row]:
        """Every rate that was ever said; what is missing pays nothing."""
        async with self._reader(principal, Action.READ_REWARD_RATES, request) as (reader, _):
            return await reader.reward_rates()

    async def approvals(
        self, principal: Principal, status: ApprovalStatus, request: RequestInfo, page: PageRequest[Position]
    ) -> Page[Row, Position]:
        """The approvals, oldest first."""
        async with self._reader(principal, Action.READ_APPROVALS, request) as (reader, _):
            return page.of(await reader.approvals(status, page), position_of)

    async def books(self, principal: Principal, at: datetime | None, request: RequestInfo) -> Sequence[Row]:
        """``account`` and ``total`` of each, all wallets together as one, now or as it was at *at* (UTC)."""
        async with self._readers() as reader:
            actor, accounts = await reader.books(principal, roles_for(Action.READ_BOOKS), at)
        if refused := self._transactions.refusal(actor, Action.READ_BOOKS):
            await self._refuse(principal, AuditContext(Action.READ_BOOKS, request), refused)
        return accounts

    async def audit_log(
        self, principal: Principal, wanted: AuditFilter, request: RequestInfo, page: PageRequest[Position]
    ) -> Page[Row, Position]:
        """The entries, newest first."""
        async with self._reader(principal, Action.READ_AUDIT_LOG, request) as (reader, _):
            found = await reader.audit_log(wanted, page)
        return page.of(found, lambda row: Position(row["occurred_at"], row["id"]))

    async def withdrawals(
        self,
        principal: Principal,
        status: WithdrawalStatus | None,
        request: RequestInfo,
        page: PageRequest[Position],
    ) -> Page[Row, Position]:
        """The withdrawals of everybody, oldest first."""
        async with self._reader(principal, Action.READ_WITHDRAWALS, request) as (reader, _):
            return page.of(await reader.withdrawals(status, page), position_of)

    @asynccontextmanager
    async def _reader(
        self, principal: Principal, action: Action, request: RequestInfo, target_id: UUID | None = None
    ) -> AsyncIterator[tuple[VaultReader, Actor]]:
        async with self._readers() as reader:
            actor = await reader.enter(principal)
            refused = self._transactions.refusal(actor, action)
            if refused is None:
                yield reader, actor
                return
        await self._refuse(principal, AuditContext(action, request, target_id), refused)

    async def _refuse(self, principal: Principal, audit: AuditContext, refused: DomainError) -> NoReturn:
        await self._transactions.record_refusal(principal, audit, refused)
        raise refused

    def _view(self, actor: Actor, user: User) -> UserView:
        return UserView(user, self._transactions.refusal(actor, Action.READ_BALANCES) is None)
