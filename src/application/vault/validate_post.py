"""Decide on a post: the decision, the reward, the record and the events commit together."""

from dataclasses import dataclass
from uuid import UUID

from application.unit_of_work import Lock, PostCase, UnitOfWorkFactory, retry_conflicts
from application.vault.gate import Attempt, Gate, facts
from application.wallet.bookkeeper import Bookkeeper
from domain.audit import Facts, RequestInfo
from domain.events import PostValidationChanged
from domain.identity import Principal
from domain.policies import Target
from domain.posts import Decision, Post, validate
from domain.rewards import Reward, settle_reward


@dataclass(frozen=True, slots=True)
class ValidateCommand:
    """Which post, and what is decided on it."""

    post_id: UUID
    decision: Decision


class ValidatePost:
    """A moderator approves or rejects, an admin opens again. Money never stops a decision."""

    def __init__(self, units: UnitOfWorkFactory, bookkeeper: Bookkeeper, gate: Gate) -> None:
        self._units = units
        self._bookkeeper = bookkeeper
        self._gate = gate

    @retry_conflicts
    async def __call__(self, session: Principal, command: ValidateCommand, origin: RequestInfo) -> Post:
        """The post after the decision; unchanged where the decision already held.

        Raises:
            Unauthenticated, Forbidden: the caller may not, or it is their own post.
            PostNotFound: there is no such post.
            PreconditionRequired, VersionMismatch: an approval must name the version that was seen.
            InvalidInput: a changed decision needs a reason.
            Unavailable: the database does not answer.
        """
        attempt = _attempt(command, origin)
        async with self._units() as uow:
            entry = await uow.enter(session, lock=Lock.CALLER)
            await self._gate.admit(uow, entry, attempt)
            case = await uow.lock_post(command.post_id)
            await self._gate.admit(uow, entry, attempt, Target(case.post.author_id))
            after = validate(case.post, command.decision, by=entry.actor, at=case.now)
            if after is case.post:
                return after
            reward = self._reward(case, after)
            uow.save_post(after)
            if reward.transaction is not None:
                self._bookkeeper.book(uow, reward.transaction)
            event_id = self._bookkeeper.new_id()
            uow.announce(PostValidationChanged.of(case.post, after, event_id=event_id, at=case.now))
            before, now = _facts_of(case.post), {**_facts_of(after), **_money_of(reward)}
            self._gate.record(uow, entry, attempt, before=before, after=now, at=case.now)
            await uow.commit()
            return after

    def _reward(self, case: PostCase, after: Post) -> Reward:
        new_id = self._bookkeeper.new_id()
        return settle_reward(
            case.post, after, case.author_wallet, case.earnings, case.rate, id=new_id, at=case.now
        )


def _attempt(command: ValidateCommand, origin: RequestInfo) -> Attempt:
    decision = command.decision
    asked = facts(status=decision.status, version=decision.seen_version)
    return Attempt(decision.action, origin, command.post_id, asked, decision.reason)


def _facts_of(post: Post) -> Facts:
    return facts(status=post.status, version=post.version)


def _money_of(reward: Reward) -> Facts:
    booked = reward.transaction
    return facts(
        transaction_id=None if booked is None else booked.id,
        amount=None if booked is None else booked.amount,
        shortfall=reward.shortfall,
    )
