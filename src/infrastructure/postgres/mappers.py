"""Rows to domain objects where a rule is applied, and to rows of the wire where none is."""

from collections.abc import Iterable, Mapping
from typing import Any, cast
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import RowMapping

from application.database import LockedApproval, LockedPost, LockedTransaction, LockedUser, LockedWithdrawal
from application.ports import Row
from domain.approvals import Approval, ApprovalStatus
from domain.errors import DomainError, NotFound, PostNotFound, UserNotFound, WithdrawalNotFound
from domain.identity import AccountStatus, Actor, Ban, Principal, Role, User
from domain.ledger import GENESIS
from domain.money import NOTHING, ZERO, Money, money_text
from domain.posts import Post, PostKind, PostStatus
from domain.rewards import Earning, RewardedAction, RewardRate
from domain.wallet import Transaction, TransactionKind, Wallet
from domain.withdrawals import Withdrawal, WithdrawalStatus
from infrastructure.postgres.queries import TRANSACTION_COLUMNS, WITHDRAWAL_COLUMNS

Stored = Mapping[str, Any] | RowMapping | asyncpg.Record


def wire_row(row: Stored, money: Iterable[str] = ()) -> Row:
    """*row* as it goes to the wire: the columns named in *money* become text, and so does a hash."""
    made: Row = dict(cast("Any", row).items())
    for column in money:
        made[column] = money_text(made[column])
    if "hash" in made:
        made["hash"] = made["hash"].hex()
    return made


def transaction_of(row: Stored) -> Transaction:
    """A ledger row."""
    return Transaction(
        id=row["id"],
        user_id=row["user_id"],
        kind=TransactionKind(row["kind"]),
        amount=Money(row["amount"]),
        balance_after=Money(row["balance_after"]),
        version=row["version"],
        created_at=row["created_at"],
        hash=row["hash"].hex(),
        counterparty_id=row["counterparty_id"],
        reference_id=row["reference_id"],
        note=row["note"],
    )


def withdrawal_of(row: Stored) -> Withdrawal:
    """A withdrawal."""
    return Withdrawal(
        id=row["id"],
        user_id=row["user_id"],
        amount=Money(row["amount"]),
        status=WithdrawalStatus(row["status"]),
        transaction_id=row["transaction_id"],
        created_at=row["created_at"],
        settled_by=row["settled_by"],
        settled_at=row["settled_at"],
        reason=row["reason"],
    )


def post_of(row: Stored) -> Post:
    """A post."""
    return Post(
        id=row["id"],
        author_id=row["author_id"],
        kind=PostKind(row["kind"]),
        title=row["title"],
        body=row["body"],
        language=row["language"],
        dialect=row["dialect"],
        media_url=row["media_url"],
        validation_status=PostStatus(row["validation_status"]),
        validated_by=row["validated_by"],
        validated_at=row["validated_at"],
        validation_reason=row["validation_reason"],
        version=row["version"],
        created_at=row["created_at"],
    )


def user_of(row: Stored) -> User:
    """A user, from ``USER_COLUMNS``; somebody without a wallet holds nothing."""
    ban = None
    if row["reason"] is not None:
        ban = Ban(row["id"], row["reason"], row["banned_by"], row["banned_at"])
    return User(
        id=row["id"],
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


def actor_of(principal: Principal, row: Stored) -> Actor:
    """The caller: a ban of ours counts like one of Supabase Auth's; without a profile one is a plain user."""
    status = AccountStatus(row["caller_status"])
    if status is AccountStatus.ACTIVE and row["caller_banned"]:
        status = AccountStatus.BANNED
    return Actor(principal, Role(row["caller_role"] or "user"), status)


def wallet_of(row: Stored, owner_id: UUID, version: str = "version") -> Wallet:
    """A locked wallet; *version* names its column."""
    sent, withdrawn = row.get("sent"), row.get("withdrawn")
    return Wallet(
        owner_id,
        Money(row["balance"]),
        row[version],
        row["hash"] or GENESIS,
        NOTHING if sent is None else sent + NOTHING,
        NOTHING if withdrawn is None else withdrawn + NOTHING,
        frozen=bool(row.get("frozen")),
    )


def usable_wallets(rows: Iterable[Stored]) -> dict[UUID, Wallet]:
    """The locked wallets whose users still exist; a deleted user's wallet is frozen."""
    usable = (row for row in rows if row["owner_status"] != AccountStatus.DELETED)
    return {row["user_id"]: wallet_of(row, row["user_id"]) for row in usable}


def locked_post(row: Stored) -> LockedPost | DomainError:
    """A post with its author's wallet, what it earned, and the rate."""
    if row["id"] is None:
        return PostNotFound()
    post = post_of(row)
    wallet = None
    if row["balance"] is not None and row["owner_status"] != AccountStatus.DELETED:
        wallet = wallet_of(row, post.author_id, version="wallet_version")
    earning = None
    if row["earning_id"] is not None:
        earning = Earning(row["earning_id"], Money(row["earning_amount"]), row["earning_reversed"])
    rate = None if row["rate"] is None else Money(row["rate"])
    return LockedPost(post, wallet, earning, rate)


def locked_transaction(row: Stored) -> LockedTransaction | DomainError:
    """A ledger row with its wallet, of a transfer with the other side, and what took it back."""
    found = _transaction_of(row, "t")
    if found is None:
        return NotFound()
    wallets = {}
    if row["owner_status"] != AccountStatus.DELETED:
        wallets[found.user_id] = wallet_of(row, found.user_id)
    if found.counterparty_id is not None and row["other_status"] != AccountStatus.DELETED:
        other = {name: row[f"v_{name}"] for name in ("balance", "version", "hash")}
        wallets[found.counterparty_id] = wallet_of(other, found.counterparty_id)
    reversals = tuple(filter(None, (_transaction_of(row, "r"), _transaction_of(row, "s"))))
    return LockedTransaction(found, _transaction_of(row, "o"), reversals, wallets)


def _transaction_of(row: Stored, table: str) -> Transaction | None:
    """The ledger row whose columns are named after *table*, if there is one."""
    if row[f"{table}_id"] is None:
        return None
    return transaction_of({name: row[f"{table}_{name}"] for name in TRANSACTION_COLUMNS.split(", ")})


def locked_approval(row: Stored) -> LockedApproval | DomainError:
    """An approval with the wallet or the withdrawal that it is about."""
    approval = _approval_of(row)
    if approval is None:
        return NotFound()
    withdrawal = None
    if row["d_id"] is not None:
        withdrawal = withdrawal_of({name: row[f"d_{name}"] for name in WITHDRAWAL_COLUMNS.split(", ")})
    wallet = None
    if row["version"] is not None and row["owner_status"] != AccountStatus.DELETED:
        wallet = wallet_of(row, approval.target_id)
    return LockedApproval(approval, wallet, withdrawal)


def _approval_of(row: Stored) -> Approval | None:
    if row["a_id"] is None:
        return None
    return Approval(
        id=row["a_id"],
        action=row["a_action"],
        target_id=row["a_target_id"],
        request=msgspec.json.decode(row["a_request"]),
        requested_by=row["a_requested_by"],
        created_at=row["a_created_at"],
        expires_at=row["a_expires_at"],
        status=ApprovalStatus(row["a_status"]),
        decided_by=row["a_decided_by"],
        decided_at=row["a_decided_at"],
    )


def locked_user(row: Stored) -> LockedUser | DomainError:
    """A user, and the admins besides them."""
    if row["id"] is None or (user := user_of(row)).deleted:
        return UserNotFound()
    return LockedUser(user, row["other_admins"])


def locked_rate(row: Stored) -> RewardRate | None:
    """A rate; there is one after its lock, where the caller's role got it."""
    if row["action"] is None:
        return None
    return RewardRate(RewardedAction(row["action"]), Money(row["amount"]), row["updated_at"])


def locked_withdrawal(row: Stored) -> LockedWithdrawal | DomainError:
    """A withdrawal with its owner's wallet."""
    if row["id"] is None:
        return WithdrawalNotFound()
    withdrawal = withdrawal_of(row)
    return LockedWithdrawal(withdrawal, wallet_of(row, withdrawal.user_id), _approval_of(row))
