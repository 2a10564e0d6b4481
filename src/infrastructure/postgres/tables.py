"""The tables that lists are read from, as advanced-alchemy sees them. Migrations are the truth about the schema."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from advanced_alchemy.base import CommonTableAttributes
from sqlalchemy import DateTime, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry


class Base(CommonTableAttributes, DeclarativeBase):
    """Plain columns: advanced-alchemy's own bases add columns that other writers of these tables don't fill."""

    registry = registry(
        type_annotation_map={
            UUID: Uuid(),
            datetime: DateTime(timezone=True),
            str: Text(),
            Decimal: Numeric(10, 2),
            dict[str, str | int | None]: JSONB(),
        }
    )


class PostRow(Base):
    """A row of ``public.posts``."""

    __tablename__ = "posts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    author_id: Mapped[UUID]
    kind: Mapped[str]
    title: Mapped[str]
    body: Mapped[str | None]
    language: Mapped[str]
    dialect: Mapped[str | None]
    media_url: Mapped[str | None]
    validation_status: Mapped[str]
    validated_by: Mapped[UUID | None]
    validated_at: Mapped[datetime | None]
    validation_reason: Mapped[str | None]
    version: Mapped[int]
    created_at: Mapped[datetime]


class ProfileRow(Base):
    """A row of ``public.profiles``."""

    __tablename__ = "profiles"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str | None]
    full_name: Mapped[str | None]
    avatar_url: Mapped[str | None]
    role: Mapped[str]
    created_at: Mapped[datetime]


class WalletRow(Base):
    """A row of ``public.wallets``, as far as lists show it."""

    __tablename__ = "wallets"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    balance: Mapped[Decimal]


class BanRow(Base):
    """A row of ``private.bans``."""

    __tablename__ = "bans"
    __table_args__ = {"schema": "private"}  # noqa: RUF012 - SQLAlchemy's form

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str]
    banned_by: Mapped[UUID]
    banned_at: Mapped[datetime]


class RewardRateRow(Base):
    """A row of ``private.reward_rates``."""

    __tablename__ = "reward_rates"
    __table_args__ = {"schema": "private"}  # noqa: RUF012 - SQLAlchemy's form

    action: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal]
    updated_at: Mapped[datetime]


class AuditRow(Base):
    """A row of ``private.audit_log``."""

    __tablename__ = "audit_log"
    __table_args__ = {"schema": "private"}  # noqa: RUF012 - SQLAlchemy's form

    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    operator: Mapped[str | None]
    action: Mapped[str]
    refusal: Mapped[str | None]
    target_id: Mapped[UUID | None]
    before: Mapped[dict[str, str | int | None]]
    after: Mapped[dict[str, str | int | None]]
    reason: Mapped[str | None]
    request_id: Mapped[str]
    client_address: Mapped[str | None]
    occurred_at: Mapped[datetime]
