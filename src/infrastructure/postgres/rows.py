"""Rows to domain objects, where more than one query reads them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from domain.identity import Actor, Role, Session, Standing
from domain.money import Money
from domain.posts import Post, PostKind, PostStatus
from domain.wallet import Transaction, TransactionKind
from domain.withdrawals import Withdrawal, WithdrawalStatus

Row = Mapping[str, Any] | asyncpg.Record

TRANSACTION_COLUMNS = (
    "id, user_id, kind, amount, balance_after, version, created_at, counterparty_id, reference_id, note"
)
POST_COLUMNS = (
    "id, author_id, kind, title, body, language, dialect, media_url, validation_status, validated_by, "
    "validated_at, validation_reason, version, created_at"
)

WITHDRAWAL_COLUMNS = "id, user_id, amount, status, transaction_id, created_at, settled_by, settled_at, reason"


def uuid_of(value: UUID | None) -> UUID | None:
    """A plain UUID: the driver's own subclass is not one to everybody."""
    return None if value is None else UUID(int=value.int)


def transaction_of(row: Row) -> Transaction:
    """A ledger row."""
    return Transaction(
        id=UUID(int=row["id"].int),
        user_id=UUID(int=row["user_id"].int),
        kind=TransactionKind(row["kind"]),
        amount=Money(row["amount"]),
        balance_after=Money(row["balance_after"]),
        version=row["version"],
        created_at=row["created_at"],
        counterparty_id=uuid_of(row["counterparty_id"]),
        reference_id=uuid_of(row["reference_id"]),
        note=row["note"],
    )


def withdrawal_of(row: Row) -> Withdrawal:
    """A withdrawal."""
    return Withdrawal(
        id=UUID(int=row["id"].int),
        user_id=UUID(int=row["user_id"].int),
        amount=Money(row["amount"]),
        status=WithdrawalStatus(row["status"]),
        transaction_id=UUID(int=row["transaction_id"].int),
        created_at=row["created_at"],
        settled_by=uuid_of(row["settled_by"]),
        settled_at=row["settled_at"],
        reason=row["reason"],
    )


def post_of(row: Row) -> Post:
    """A post."""
    return Post(
        id=UUID(int=row["id"].int),
        author_id=UUID(int=row["author_id"].int),
        kind=PostKind(row["kind"]),
        title=row["title"],
        body=row["body"],
        language=row["language"],
        dialect=row["dialect"],
        media_url=row["media_url"],
        status=PostStatus(row["validation_status"]),
        validated_by=uuid_of(row["validated_by"]),
        validated_at=row["validated_at"],
        validation_reason=row["validation_reason"],
        version=row["version"],
        created_at=row["created_at"],
    )


def actor_of(session: Session, role: str | None, standing: str, *, banned: bool) -> Actor:
    """The caller: a ban of ours counts like one of Supabase Auth's; without a profile one is a plain user."""
    known = Standing(standing)
    if known is Standing.ACTIVE and banned:
        known = Standing.BANNED
    return Actor(session, Role(role or "user"), known)
