"""Our tables as SQLAlchemy sees them. The migrations are the truth; ``alembic check`` finds where this differs.

Rules that SQLAlchemy cannot compare (checks, policies, triggers, grants) stand in the migrations alone.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from advanced_alchemy.base import CommonTableAttributes
from sqlalchemy import (
    BigInteger,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

PRIVATE = {"schema": "private"}
NOW = text("now()")

Money = Annotated[Decimal, mapped_column(Numeric(12, 4))]
Number = Annotated[int, mapped_column(BigInteger)]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]
Made = Annotated[datetime, mapped_column(server_default=NOW)]
Clock = Annotated[datetime, mapped_column(server_default=text("clock_timestamp()"))]
OnlyRow = Annotated[bool, mapped_column(primary_key=True, server_default=true())]


class Base(CommonTableAttributes, DeclarativeBase):
    """Plain columns: advanced-alchemy's own bases add columns that other writers of these tables don't fill."""

    registry = registry(
        metadata=MetaData(),
        type_annotation_map={UUID: Uuid(), datetime: DateTime(timezone=True), str: Text()},
    )


class ProfileRow(Base):
    """A row of ``public.profiles``, which the app shares and adds columns to.

    It has two more indexes, on the beginnings of names in lower case.
    """

    __tablename__ = "profiles"
    __table_args__ = (
        Index("lingualink_profiles_newest", "created_at", "id"),
        Index("lingualink_profiles_staff", "role", postgresql_where=text("role <> 'user'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str | None]
    full_name: Mapped[str | None]
    avatar_url: Mapped[str | None]
    role: Mapped[str] = mapped_column(server_default="user")
    created_at: Mapped[Made]
    updated_at: Mapped[Made]


class _Post:
    """The columns of a post."""

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    author_id: Mapped[UUID]
    kind: Mapped[str]
    title: Mapped[str]
    body: Mapped[str | None]
    language: Mapped[str]
    dialect: Mapped[str | None]
    media_url: Mapped[str | None]
    validation_status: Mapped[str] = mapped_column(server_default="pending")
    validated_by: Mapped[UUID | None]
    validated_at: Mapped[datetime | None]
    validation_reason: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[Made]


class PostRow(_Post, Base):
    """A row of ``public.posts``, which the app shares and adds columns to."""

    __tablename__ = "posts"
    __table_args__ = (
        Index("lingualink_posts_order", "created_at", "id"),
        Index("lingualink_posts_language", "language", "created_at", "id"),
        Index("lingualink_posts_queue", "validation_status", "created_at", "id"),
        Index("lingualink_posts_queue_language", "validation_status", "language", "created_at", "id"),
        Index("lingualink_posts_kind", "kind", "created_at", "id"),
        Index("lingualink_posts_queue_kind", "validation_status", "kind", "created_at", "id"),
        Index("lingualink_posts_author", "author_id", "created_at"),
    )


class Views(CommonTableAttributes, DeclarativeBase):
    """What ``alembic check`` does not compare."""

    registry = registry(
        metadata=MetaData(schema="private"), type_annotation_map=Base.registry.type_annotation_map
    )


class PostView(_Post, Views):
    """A row of ``private.posts``: a post, whichever table is its home."""

    __tablename__ = "posts"


class WalletRow(Base):
    """A row of ``public.wallets``."""

    __tablename__ = "wallets"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    balance: Mapped[Money] = mapped_column(server_default="0")
    version: Mapped[Number] = mapped_column(server_default="0")
    updated_at: Mapped[Made]
    hash: Mapped[bytes | None]
    frozen: Mapped[bool] = mapped_column(server_default=false())


class TransactionRow(Base):
    """A row of the ledger, ``public.wallet_transactions``."""

    __tablename__ = "wallet_transactions"
    __table_args__ = (
        UniqueConstraint("user_id", "version", name="wallet_transactions_version_once"),
        Index(
            "wallet_transactions_reference_once",
            "reference_id",
            "kind",
            unique=True,
            postgresql_where=text("reference_id is not null"),
        ),
        Index("wallet_transactions_time", "created_at", postgresql_using="brin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    kind: Mapped[str]
    amount: Mapped[Money]
    balance_after: Mapped[Money]
    version: Mapped[Number]
    counterparty_id: Mapped[UUID | None]
    reference_id: Mapped[UUID | None]
    note: Mapped[str | None]
    created_at: Mapped[datetime]
    hash: Mapped[bytes]


class WithdrawalRow(Base):
    """A row of ``public.wallet_withdrawals``."""

    __tablename__ = "wallet_withdrawals"
    __table_args__ = (
        UniqueConstraint("transaction_id", name="wallet_withdrawals_transaction_once"),
        Index("wallet_withdrawals_own", "user_id", "created_at", "id"),
        Index("wallet_withdrawals_order", "created_at", "id"),
        Index("wallet_withdrawals_queue", "status", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    amount: Mapped[Money]
    status: Mapped[str] = mapped_column(server_default="held")
    transaction_id: Mapped[UUID]
    settled_by: Mapped[UUID | None]
    settled_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    created_at: Mapped[datetime]


class LedgerEntryRow(Base):
    """A row of ``private.ledger_entries``: what stands against a wallet's row, or between two accounts."""

    __tablename__ = "ledger_entries"
    __table_args__ = (Index("ledger_entries_time", "created_at", postgresql_using="brin"), PRIVATE)

    reference_id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Money]
    created_at: Mapped[datetime]


class LedgerDayRow(Base):
    """A row of ``private.ledger_days``: what moved on an account in a day that is over."""

    __tablename__ = "ledger_days"
    __table_args__ = PRIVATE

    day: Mapped[date] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(20, 4))


class LedgerSealRow(Base):
    """A row of ``private.ledger_seals``."""

    __tablename__ = "ledger_seals"
    __table_args__ = (UniqueConstraint("sealed_until", name="ledger_seals_until_once"), PRIVATE)

    id: Mapped[Number] = mapped_column(Identity(always=True), primary_key=True)
    sealed_until: Mapped[datetime]
    heads: Mapped[bytes]
    digest: Mapped[bytes]
    created_at: Mapped[Made]


class LedgerEpochRow(Base):
    """The one row of ``private.ledger_epoch``."""

    __tablename__ = "ledger_epoch"
    __table_args__ = PRIVATE

    only_row: Mapped[OnlyRow]
    epoch: Mapped[Number]


class ApprovalRow(Base):
    """A row of ``private.approvals``."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index("approvals_queue", "status", "created_at", "id"),
        Index(
            "approvals_settlement_once",
            "target_id",
            unique=True,
            postgresql_where=text("action = 'vault.settle_withdrawal' and status = 'waiting'"),
        ),
        PRIVATE,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    action: Mapped[str]
    target_id: Mapped[UUID]
    request: Mapped[Json]
    requested_by: Mapped[UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default="waiting")
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]


class BanRow(Base):
    """A row of ``private.bans``."""

    __tablename__ = "bans"
    __table_args__ = PRIVATE

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str]
    banned_by: Mapped[UUID]
    banned_at: Mapped[Made]


class RewardRateRow(Base):
    """A row of ``private.reward_rates``."""

    __tablename__ = "reward_rates"
    __table_args__ = PRIVATE

    action: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Money]
    updated_at: Mapped[Made]


class AuditRow(Base):
    """A row of ``private.audit_log``."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("audit_log_order", "occurred_at", "id"),
        *(
            Index(f"audit_log_{name}", name, "occurred_at", "id")
            for name in ("actor_id", "target_id", "action")
        ),
        PRIVATE,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    operator: Mapped[str | None]
    action: Mapped[str]
    refusal: Mapped[str | None]
    target_id: Mapped[UUID | None]
    before: Mapped[Json]
    after: Mapped[Json]
    reason: Mapped[str | None]
    request_id: Mapped[str]
    client_address: Mapped[str | None]
    occurred_at: Mapped[datetime]


class IdempotencyKeyRow(Base):
    """A row of ``private.idempotency_keys``."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("idempotency_keys_age", "created_at"),
        Index("idempotency_keys_own", "user_id", "created_at"),
        Index("idempotency_keys_not_found", "created_at", postgresql_where=text("status = 404")),
        PRIVATE,
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[Number | None]
    body: Mapped[str | None]
    created_at: Mapped[Made]


class OutboxRow(Base):
    """A row of ``private.realtime_outbox``."""

    __tablename__ = "realtime_outbox"
    __table_args__ = (
        UniqueConstraint("event_id", name="realtime_outbox_event_once"),
        Index(
            "realtime_outbox_pending",
            "id",
            postgresql_where=text("delivered_at is null and dead_lettered_at is null"),
        ),
        Index("realtime_outbox_dead_letters", "id", postgresql_where=text("dead_lettered_at is not null")),
        Index("realtime_outbox_delivered", "delivered_at", postgresql_where=text("delivered_at is not null")),
        PRIVATE,
    )

    id: Mapped[Number] = mapped_column(Identity(always=True), primary_key=True)
    event_id: Mapped[UUID]
    topic: Mapped[str]
    event: Mapped[str]
    payload: Mapped[Json]
    created_at: Mapped[Clock]
    attempts: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
    dead_lettered_at: Mapped[datetime | None]
    dropped_at: Mapped[datetime | None]


class LeaseRow(Base):
    """The one row of ``private.relay_lease``."""

    __tablename__ = "relay_lease"
    __table_args__ = PRIVATE

    only_row: Mapped[OnlyRow]
    holder: Mapped[str | None]
    expires_at: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))


class LegacyTokensRow(Base):
    """The one row of ``private.legacy_tokens``."""

    __tablename__ = "legacy_tokens"
    __table_args__ = PRIVATE

    only_row: Mapped[OnlyRow]
    last_accepted_at: Mapped[Made]


class AdoptionRow(Base):
    """The one row of ``private.adoption``, in a database that had the app's tables first."""

    __tablename__ = "adoption"
    __table_args__ = PRIVATE

    only_row: Mapped[OnlyRow]
    tables: Mapped[list[str]] = mapped_column(ARRAY(Text))
    posts_source: Mapped[str]
    confirmed_by: Mapped[str]
    begun_at: Mapped[Made]
    adopted_at: Mapped[datetime | None]
    legacy_retired_at: Mapped[datetime | None]


class AdoptionStepRow(Base):
    """A row of ``private.adoption_steps``: what is done of an adoption."""

    __tablename__ = "adoption_steps"
    __table_args__ = PRIVATE

    name: Mapped[str] = mapped_column(primary_key=True)
    finished_at: Mapped[Clock]
    details: Mapped[Json] = mapped_column(server_default=text("'{}'"))


class AdoptedRoleRow(Base):
    """A row of ``private.adopted_roles``: what made somebody more than a user before an adoption."""

    __tablename__ = "adopted_roles"
    __table_args__ = PRIVATE

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str | None]
    marks: Mapped[Json]
    taken_at: Mapped[Clock]


class OpeningRow(Base):
    """A row of ``private.openings``: what a wallet began with, and the transaction that brought it along."""

    __tablename__ = "openings"
    __table_args__ = (UniqueConstraint("transaction_id", name="openings_transaction_once"), PRIVATE)

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    balance: Mapped[Decimal | None] = mapped_column(Numeric())
    transaction_id: Mapped[UUID | None]
    taken_at: Mapped[Clock]


class AdoptedEarningRow(Base):
    """A row of ``private.adopted_earnings``: a post that the app had approved or paid for before an adoption."""

    __tablename__ = "adopted_earnings"
    __table_args__ = PRIVATE

    post_id: Mapped[UUID] = mapped_column(primary_key=True)
    taken_at: Mapped[Clock]


class SchemaLevelRow(Base):
    """The one row of ``private.schema_level``."""

    __tablename__ = "schema_level"
    __table_args__ = PRIVATE

    only_row: Mapped[OnlyRow]
    level: Mapped[int]
