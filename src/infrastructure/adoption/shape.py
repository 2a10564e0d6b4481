"""The app's database: what is known of those that are older than the service, and the tables that one has.

Those are LinguaLink's own, and Supabase's quickstart.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import asyncpg
from sqlalchemy import Table

from domain.posts import PostStatus
from domain.withdrawals import WithdrawalStatus
from infrastructure.postgres.migrations import SCHEMA
from infrastructure.postgres.ownership import APP_POSTS, OUR_TABLES
from infrastructure.postgres.tables import Base

PROFILES: Final = "public.profiles"
TRANSACTIONS: Final = "public.transactions"
APP_TABLES: Final = {
    "public.voice_clips": "posts, as voice clips",
    "public.video_clips": "posts, as video clips",
    "public.validations": "votes of users on clips",
    TRANSACTIONS: "the app's own history of money",
    "public.withdrawals": "withdrawals that clients wrote",
    "public.payout_requests": "withdrawals of the app's money service",
    "public.linked_bank_accounts": "bank accounts",
    "public.reward_rates": "the app's own rates of pay",
}
"""Tables of the app that hold what the service keeps in tables of its own."""

PEOPLE: Final = {
    "public.posts": "author_id",
    "public.wallets": "user_id",
    "public.wallet_transactions": "user_id",
    "public.wallet_withdrawals": "user_id",
    "public.voice_clips": "user_id",
    "public.video_clips": "user_id",
    "public.validations": "validator_id",
    TRANSACTIONS: "user_id",
    "public.withdrawals": "user_id",
    "public.payout_requests": "user_id",
    "public.linked_bank_accounts": "user_id",
}
"""Which column of a table names somebody who has a profile."""

IDS: Final = frozenset(PEOPLE.values()) | {
    *("id", "voice_clip_id", "original_clip_id", "parent_clip_id", "root_clip_id", "post_id"),
    *("referred_by_id", "reference_id", "counterparty_id", "validated_by", "settled_by"),
}
"""Columns that the service reads as a UUID where a table has them."""

BALANCES: Final = (
    (PROFILES, "balance"),
    (PROFILES, "pending_balance"),
    (PROFILES, "total_earned"),
    ("public.wallets", "balance"),
    ("public.wallet_withdrawals", "amount"),
    ("public.withdrawals", "amount"),
    ("public.payout_requests", "amount"),
    ("public.reward_rates", "amount"),
)
"""Money that is never below zero."""

MOVEMENTS: Final = ((TRANSACTIONS, "amount"), ("public.wallet_transactions", "amount"))
"""Money with a sign."""

ROLES: Final = ("role", "user_role", "is_admin", "admin_roles")
"""Columns of ``public.profiles`` that make somebody more than a user. Clients could write all of them."""
NO_ROLE: Final = ("user", "false", "{}", "[]", "")

_WITHDRAWALS = frozenset(WithdrawalStatus)
_POSTS = frozenset(PostStatus)
STATUSES: Final = {
    ("public.posts", "validation_status"): _POSTS,
    ("public.voice_clips", "status"): _POSTS,
    ("public.video_clips", "status"): _POSTS,
    ("public.wallet_withdrawals", "status"): _WITHDRAWALS,
    ("public.withdrawals", "status"): _WITHDRAWALS,
    ("public.payout_requests", "status"): _WITHDRAWALS,
}
"""The words that the service knows for a status."""

_CREDENTIAL: Final = re.compile(
    r"(^|_)(password|passwd|secret|api_key|otp|pin)(_|$)|_hash$|^(access|refresh)_token"
)
_PRIVATE: Final = re.compile(
    r"^(email|phone.*|balance|pending_balance|total_earned|bank_.*|account_.*|date_of_birth|address|ban_reason"
    r"|referred_by_id|push_.*|expo_.*|device_.*)$"
)


def is_credential(column: str) -> bool:
    """Whether a column of profiles is called like something that opens an account."""
    return _CREDENTIAL.search(column) is not None


def is_private(column: str) -> bool:
    """Whether a column of profiles is called like something that nobody else should know."""
    return _PRIVATE.match(column) is not None


_TABLES = """
select n.nspname || '.' || c.relname as name, c.relkind::text as kind, greatest(c.reltuples, 0)::bigint as rows,
       pg_relation_size(c.oid) as bytes,
       array(
         select i.relname::text from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = c.oid
         order by 1
       ) as indexes,
       array(
         select pg_get_constraintdef(k.oid) from pg_constraint k
         where k.conrelid = c.oid and k.contype in ('c', 'u', 'f', 'x') order by 1
       ) as constraints,
       array(
         select t.tgname::text from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal order by 1
       ) as triggers
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname || '.' || c.relname = any ($1::text[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')
order by 1
"""
_COLUMNS = """
select n.nspname || '.' || c.relname as "table", a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type,
       a.attnotnull as required, a.atthasdef or a.attidentity <> '' as has_default
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname || '.' || c.relname = any ($1::text[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and a.attnum > 0 and not a.attisdropped
order by c.relname, a.attnum
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is there; *type* as PostgreSQL writes it."""

    type: str
    required: bool
    has_default: bool


class PostsSource(StrEnum):
    """Where the posts of an adopted database are kept: in ``public.posts``, or in voice and video clips."""

    POSTS = "posts"
    CLIPS = "clips"


@dataclass(frozen=True, slots=True)
class Shape:
    """The tables of ours and of the app that are there, and their columns."""

    tables: Mapping[str, asyncpg.Record]
    columns: Mapping[str, Mapping[str, Column]]

    def has(self, table: str, *columns: str) -> bool:
        """Whether *table* is there, with all of *columns*."""
        return set(columns) <= self.columns.get(table, {}).keys()

    def key(self, table: str) -> str:
        """The column of *table* that a row is named by."""
        return next((name for name in ("id", "user_id") if self.has(table, name)), "ctid")

    def type_of(self, table: str, column: str = "id") -> str | None:
        """The type of a column as PostgreSQL writes it, None where it is not there."""
        found = self.columns.get(table, {}).get(column)
        return None if found is None else found.type

    @property
    def has_clips(self) -> bool:
        """Whether the app keeps its posts as LinguaLink's voice and video clips."""
        return not self.tables.keys().isdisjoint(APP_POSTS)


_HAS_REVISION = f"select to_regclass('{SCHEMA}.alembic_version') is not null"
_REVISION = f"select max(version_num) from {SCHEMA}.alembic_version"  # noqa: S608 - our own text
MADE_PUBLIC_TABLES = "0002"
"""From this revision on every table of ours is the migrations', or was taken over."""


async def read_revision(connection: asyncpg.Connection) -> str:
    """How far the migrations got; empty before the first."""
    if not await connection.fetchval(_HAS_REVISION):
        return ""
    return await connection.fetchval(_REVISION) or ""


async def read_shape(connection: asyncpg.Connection) -> Shape:
    """The tables that matter, as the catalogue has them."""
    names = [*OUR_TABLES, *APP_TABLES]
    tables = {row["name"]: row for row in await connection.fetch(_TABLES, names)}
    columns: dict[str, dict[str, Column]] = {name: {} for name in tables}
    for row in await connection.fetch(_COLUMNS, names):
        columns[row["table"]][row["name"]] = Column(row["type"], row["required"], row["has_default"])
    return Shape(tables, columns)


def models(shape: Shape) -> Iterator[tuple[str, Table]]:
    """Our tables whose names are taken, as the models have them."""
    for name, table in zip(OUR_TABLES, Base.metadata.sorted_tables, strict=True):
        if name in shape.tables:
            yield name, table
