"""Rows to domain objects, where more than one query reads them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import RowMapping

from domain.identity import AccountStatus, Actor, Principal, Role
from domain.money import ZERO, Money
from domain.posts import Post, PostKind, PostStatus
from domain.profile import Ban, User
from domain.wallet import Transaction, TransactionKind, Wallet
from domain.withdrawals import Withdrawal, WithdrawalStatus

Row = Mapping[str, Any] | RowMapping | asyncpg.Record

TRANSACTION_COLUMNS = (
    "id, user_id, kind, amount, balance_after, version, created_at, counterparty_id, reference_id, note"
)
POST_COLUMNS = (
    "id, author_id, kind, title, body, language, dialect, media_url, validation_status, validated_by, "
    "validated_at, validation_reason, version, created_at"
)

USER_COLUMNS = (
    "p.id, p.username, p.full_name, p.avatar_url, p.role, p.created_at, b.reason, b.banned_by, b.banned_at, "
    "w.balance, private.account_status(p.id, null) as account_status"
)
USER_TABLES = (
    "public.profiles p left join private.bans b on b.user_id = p.id "
    "left join public.wallets w on w.user_id = p.id"
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


def user_of(row: Row) -> User:
    """A user, from :data:`USER_COLUMNS`; somebody without a wallet holds nothing."""
    user_id = UUID(int=row["id"].int)
    ban = None
    if row["reason"] is not None:
        ban = Ban(user_id, row["reason"], UUID(int=row["banned_by"].int), row["banned_at"])
    return User(
        id=user_id,
        username=row["username"],
        full_name=row["full_name"],
        avatar_url=row["avatar_url"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        ban=ban,
        banned_by_auth=row["account_status"] == AccountStatus.BANNED,
        balance=ZERO if row["balance"] is None else Money(row["balance"]),
        deleted=row["account_status"] == AccountStatus.DELETED,
    )


def actor_of(session: Principal, role: str | None, account_status: str, *, banned: bool) -> Actor:
    """The caller: a ban of ours counts like one of Supabase Auth's; without a profile one is a plain user."""
    known = AccountStatus(account_status)
    if known is AccountStatus.ACTIVE and banned:
        known = AccountStatus.BANNED
    return Actor(session, Role(role or "user"), known)


def usable_wallets(rows: Sequence[asyncpg.Record]) -> dict[UUID, Wallet]:
    """The locked wallets whose users still exist; a deleted user's wallet is frozen."""
    return {
        UUID(int=row["user_id"].int): Wallet(
            UUID(int=row["user_id"].int), Money(row["balance"]), row["version"]
        )
        for row in rows
        if row["wallet_account_status"] != "deleted"
    }
