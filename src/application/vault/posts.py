"""Decisions on posts: the decision, the reward, the record and the events commit together."""

from uuid import UUID

from application.database import LockedPost, PostLock
from application.transaction_context import AuditContext, Tx, details
from application.transactions import Transactions
from domain.audit import AuditDetails, RequestInfo
from domain.events import PostValidationChanged
from domain.identity import Principal
from domain.policies import Target
from domain.posts import Decision, Post, validate
from domain.rewards import Reward, settle_reward
from domain.wallet import TransactionKind


class ValidatePost:
    """A moderator approves or rejects, an admin opens again. Money never stops a decision."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def __call__(
        self, principal: Principal, post_id: UUID, decision: Decision, request: RequestInfo
    ) -> Post:
        """The post after the *decision*; unchanged where the decision already held.

        Raises:
            Unauthenticated, Forbidden: the caller may not, or it is their own post.
            PostNotFound: there is no such post.
            PreconditionRequired, VersionMismatch: an approval must name the version that was seen.
            InvalidInput: a changed decision needs a reason.
            Unavailable: the database does not answer.
        """
        requested = details(status=decision.status, version=decision.seen_version)
        audit = AuditContext(decision.action, request, post_id, requested, decision.reason)

        def decide(tx: Tx[LockedPost]) -> Post:
            before = tx.locked.post
            tx.require(Target(before.author_id))
            after = validate(before, decision, by=tx.actor, at=tx.now)
            if after is before:
                return after
            wallet, earning, rate = tx.locked.author_wallet, tx.locked.earning, tx.locked.rate
            reward = settle_reward(before, after, wallet, earning, rate, id=tx.new_id(), at=tx.now)
            if reward.transaction is not None:
                tx.post(reward.transaction, corrects=TransactionKind.EARNING)
            tx.writes.posts.append(after)
            tx.writes.events.append(PostValidationChanged.of(before, after, event_id=tx.new_id(), at=tx.now))
            tx.add_audit_entry(
                before=_details_of(before), after={**_details_of(after), **_details_of_reward(reward)}
            )
            return after

        return await self._transactions.run(principal, audit, PostLock(post_id), decide)


def _details_of(post: Post) -> AuditDetails:
    return details(status=post.validation_status, version=post.version)


def _details_of_reward(reward: Reward) -> AuditDetails:
    posted = reward.transaction
    return details(
        transaction_id=None if posted is None else posted.id,
        amount=None if posted is None else posted.amount,
        shortfall=reward.shortfall,
    )
