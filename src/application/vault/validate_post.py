"""Decide on a post: the decision, the reward, the record and the events commit together."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import NewId
from application.unit_of_work import Entry, PostCase, UnitOfWorkFactory, retry_conflicts
from application.wallet.bookkeeper import Bookkeeper
from domain.audit import AuditAction, AuditEntry, Origin
from domain.events import PostValidationChanged
from domain.identity import Session
from domain.policies import Action, Target, authorise
from domain.posts import Decision, Post, validate
from domain.rewards import Reward, settle_reward


@dataclass(frozen=True, slots=True)
class ValidateCommand:
    """Which post, and what is decided on it."""

    post_id: UUID
    decision: Decision


class ValidatePost:
    """A moderator approves or rejects. Costs BEGIN, three statements and COMMIT."""

    def __init__(self, units: UnitOfWorkFactory, bookkeeper: Bookkeeper, new_id: NewId) -> None:
        self._units = units
        self._bookkeeper = bookkeeper
        self._new_id = new_id

    @retry_conflicts
    async def __call__(self, session: Session, command: ValidateCommand, origin: Origin) -> Post:
        """The post after the decision; unchanged where the decision already held.

        Raises:
            Unauthenticated, Forbidden: the caller may not, or it is their own post.
            PostNotFound: there is no such post.
            PreconditionRequired, VersionMismatch: an approval must name the version that was seen.
            InvalidInput: a changed decision needs a reason.
            Unavailable: the database does not answer.
        """
        async with self._units() as uow:
            entry = await uow.enter(session)
            authorise(entry.actor, Action.VALIDATE_POST)
            case = await uow.lock_post(command.post_id)
            authorise(entry.actor, Action.VALIDATE_POST, Target(owner_id=case.post.author_id))
            after = validate(case.post, command.decision, by=entry.actor, at=entry.now)
            if after is case.post:
                return after
            reward = self._reward(case, after, entry)
            uow.save_post(after)
            if reward.transaction is not None:
                self._bookkeeper.book(uow, reward.transaction)
            uow.announce(PostValidationChanged.of(case.post, after, event_id=self._new_id(), at=entry.now))
            uow.record(self._audit(case.post, after, reward, entry, origin))
            await uow.commit()
            return after

    def _reward(self, case: PostCase, after: Post, entry: Entry) -> Reward:
        return settle_reward(
            case.post, after, case.author_wallet, case.earnings, case.rate, id=self._new_id(), at=entry.now
        )

    def _audit(self, before: Post, after: Post, reward: Reward, entry: Entry, origin: Origin) -> AuditEntry:
        booked = reward.transaction
        return AuditEntry(
            id=self._new_id(),
            actor_id=entry.actor.user_id,
            session_id=entry.actor.session.session_id,
            action=AuditAction.POST_VALIDATION_CHANGED,
            target_id=after.id,
            before={"status": before.status, "version": before.version},
            after={
                "status": after.status,
                "version": after.version,
                "transaction_id": None if booked is None else str(booked.id),
                "amount": None if booked is None else str(booked.amount),
                "shortfall": str(reward.shortfall),
            },
            reason=after.validation_reason,
            origin=origin,
            occurred_at=entry.now,
        )
