"""What a committed change tells the app over Supabase Realtime (docs/architecture.md has the promise)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domain.money import Money
from domain.posts import Post, PostStatus
from domain.wallet import Transaction, TransactionKind


@dataclass(frozen=True, slots=True)
class BalanceUpdated:
    """A transaction was committed; ``balance`` and ``version`` are the wallet's after it.

    Of two events of one wallet the one with the higher (``epoch``, ``version``) is the newer.
    """

    NAME: ClassVar[str] = "balance_updated"

    event_id: UUID
    user_id: UUID
    transaction_id: UUID
    kind: TransactionKind
    amount: Money
    balance: Money
    currency: str
    version: int
    epoch: int
    occurred_at: datetime

    @classmethod
    def of(cls, transaction: Transaction, *, event_id: UUID, currency: str, epoch: int) -> "BalanceUpdated":
        """The event that *transaction* owes its wallet's user."""
        return cls(
            event_id=event_id,
            user_id=transaction.user_id,
            transaction_id=transaction.id,
            kind=transaction.kind,
            amount=transaction.amount,
            balance=transaction.balance_after,
            currency=currency,
            version=transaction.version,
            epoch=epoch,
            occurred_at=transaction.created_at,
        )

    @property
    def topic(self) -> str:
        """The private topic of its recipient: only their sessions receive on it, only the backend sends."""
        return f"user:{self.user_id}"


@dataclass(frozen=True, slots=True)
class PostValidationChanged:
    """A moderator's decision on a post, told to its author; ``version`` is the post's after it."""

    NAME: ClassVar[str] = "post_validation_changed"

    event_id: UUID
    post_id: UUID
    author_id: UUID
    previous_status: PostStatus
    status: PostStatus
    reason: str | None
    version: int
    occurred_at: datetime

    @classmethod
    def of(cls, before: Post, after: Post, *, event_id: UUID, at: datetime) -> "PostValidationChanged":
        """The event that the change from *before* to *after* owes the author."""
        return cls(
            event_id=event_id,
            post_id=after.id,
            author_id=after.author_id,
            previous_status=before.validation_status,
            status=after.validation_status,
            reason=after.validation_reason,
            version=after.version,
            occurred_at=at,
        )

    @property
    def topic(self) -> str:
        """As of the other event: the author's."""
        return f"user:{self.author_id}"


Event = BalanceUpdated | PostValidationChanged
