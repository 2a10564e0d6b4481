"""A write batch in one statement: only the parts that it needs, each static text over arrays.

The same mix of parts gives the same text, so that the server plans it once for each connection; and batches of
several transactions make one statement as one does.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from application.database import WriteBatch
from application.encoding import to_json
from domain.wallet import Transaction
from infrastructure.postgres.queries import TRANSACTION_COLUMNS

_PLACEHOLDER: Final = re.compile(r"\$(\d+)")


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of write: its SQL counts placeholders from $1; ``of`` says what of a batch it writes.

    ``counted`` is the part of the SQL whose rows were locked and read before: each of them must be there, anything
    less is a mistake of ours.
    """

    sql: str
    of: Callable[[WriteBatch], Iterable[Any]]
    columns: tuple[Callable[[Any], object], ...]
    counted: str | None = None
    rows: Callable[[Iterable[Any]], Collection[Any]] = list
    """What is written of that; all of it, unless said otherwise."""


class _Move(NamedTuple):
    """A wallet goes from the version that it *was* to that of the *last* of its rows."""

    user_id: UUID
    was: int
    last: Transaction


def _moves(rows: Iterable[Transaction]) -> Collection[_Move]:
    """Several rows of one wallet move it once."""
    moves: dict[UUID, _Move] = {}
    for row in rows:
        first = moves.get(row.user_id)
        moves[row.user_id] = _Move(row.user_id, row.version - 1 if first is None else first.was, row)
    return moves.values()


def _columns(*columns: str | Callable[[Any], object]) -> tuple[Callable[[Any], object], ...]:
    """How each column is found in a row: by the name of an attribute, with dots, or by a function.

    A string may name several, with commas between them.
    """
    found: list[Callable[[Any], object]] = []
    for one in columns:
        found += map(attrgetter, one.split(", ")) if isinstance(one, str) else [one]
    return tuple(found)


# A balance moves only from the version that was locked and read.
PARTS: Final = (
    Part(
        """moved as (
  update public.wallets w
  set balance = m.balance, version = m.version, updated_at = m.at, hash = decode(m.hash, 'hex')
  from unnest($1::uuid[], $2::bigint[], $3::numeric[], $4::bigint[], $5::timestamptz[], $6::text[])
    as m (user_id, was, balance, version, at, hash)
  where w.user_id = m.user_id and w.version = m.was
  returning true
)""",
        attrgetter("transactions"),
        _columns("user_id, was, last.balance_after.amount, last.version, last.created_at, last.hash"),
        "moved",
        _moves,
    ),
    Part(
        f"""posted as (
  insert into public.wallet_transactions ({TRANSACTION_COLUMNS})
  select {TRANSACTION_COLUMNS.replace("hash", "decode(hash, 'hex')")} from unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[], $6::bigint[], $7::timestamptz[],
    $8::uuid[], $9::uuid[], $10::text[], $11::text[]
  ) as t ({TRANSACTION_COLUMNS})
)""",  # noqa: S608 - our own names
        attrgetter("transactions"),
        _columns(
            "id, user_id, kind, amount.amount, balance_after.amount, version, created_at",
            "counterparty_id, reference_id, note, hash",
        ),
    ),
    Part(
        """entries as (
  insert into private.ledger_entries (reference_id, account, amount, created_at)
  select * from unnest($1::uuid[], $2::text[], $3::numeric[], $4::timestamptz[])
)""",
        attrgetter("entries"),
        _columns("reference_id, account, amount.amount, created_at"),
    ),
    Part(
        """events as (
  insert into private.realtime_outbox (event_id, topic, event, payload)
  select event_id, topic, event, payload::jsonb
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as e (event_id, topic, event, payload)
)""",
        attrgetter("events"),
        _columns("event_id, topic, NAME", to_json),
    ),
    # The database raises the version itself.
    Part(
        """validated as (
  update private.posts p
  set validation_status = v.status, validated_by = v.by, validated_at = v.at, validation_reason = v.reason
  from unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[], $6::int[])
    as v (id, status, by, at, reason, version)
  where p.id = v.id and p.version = v.version - 1
  returning true
)""",
        attrgetter("posts"),
        _columns("id, validation_status, validated_by, validated_at, validation_reason, version"),
        "validated",
    ),
    Part(
        """held as (
  insert into public.wallet_withdrawals (id, user_id, amount, transaction_id, created_at)
  select * from unnest($1::uuid[], $2::uuid[], $3::numeric[], $4::uuid[], $5::timestamptz[])
)""",
        attrgetter("withdrawals"),
        _columns("id, user_id, amount.amount, transaction_id, created_at"),
    ),
    Part(
        """settled as (
  update public.wallet_withdrawals d
  set status = s.status, settled_by = s.by, settled_at = s.at, reason = s.reason
  from unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[]) as s (id, status, by, at, reason)
  where d.id = s.id and d.status = 'held'
  returning true
)""",
        attrgetter("withdrawals_settled"),
        _columns("id, status, settled_by, settled_at, reason"),
        "settled",
    ),
    Part(
        """asked as (
  insert into private.approvals
    (id, action, target_id, request, requested_by, created_at, expires_at)
  select id, action, target_id, request::jsonb, requested_by, created_at, expires_at
  from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::uuid[], $6::timestamptz[], $7::timestamptz[])
    as a (id, action, target_id, request, requested_by, created_at, expires_at)
)""",
        attrgetter("approvals"),
        _columns(
            "id, action, target_id",
            lambda approval: to_json(dict(approval.request)),
            "requested_by, created_at, expires_at",
        ),
    ),
    Part(
        """agreed as (
  update private.approvals a set status = d.status, decided_by = d.by, decided_at = d.at
  from unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[]) as d (id, status, by, at)
  where a.id = d.id and a.status = 'waiting'
  returning true
)""",
        attrgetter("approvals_decided"),
        _columns("id, status, decided_by, decided_at"),
        "agreed",
    ),
    Part(
        """roles as (
  update public.profiles p set role = r.role from unnest($1::uuid[], $2::text[]) as r (id, role) where p.id::uuid = r.id
  returning true
)""",
        attrgetter("roles"),
        _columns(itemgetter(0), itemgetter(1)),
        "roles",
    ),
    Part(
        """banned as (
  insert into private.bans (user_id, reason, banned_by, banned_at)
  select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[])
  on conflict (user_id) do update
  set reason = excluded.reason, banned_by = excluded.banned_by, banned_at = excluded.banned_at
)""",
        attrgetter("bans"),
        _columns("user_id, reason, banned_by, banned_at"),
    ),
    Part(
        """lifted as (
  delete from private.bans where user_id = any ($1::uuid[]) returning true
)""",
        attrgetter("lifted_bans"),
        (lambda user_id: user_id,),
        "lifted",
    ),
    Part(
        """rates as (
  update private.reward_rates t set amount = r.amount, updated_at = r.at
  from unnest($1::text[], $2::numeric[], $3::timestamptz[]) as r (action, amount, at) where t.action = r.action
  returning true
)""",
        attrgetter("rates"),
        _columns("action, amount.amount, updated_at"),
        "rates",
    ),
    Part(
        """audited as (
  insert into private.audit_log
    (id, actor_id, session_id, action, target_id, before, after, reason, request_id, client_address, occurred_at,
     refusal, operator)
  select id, actor_id, session_id, action, target_id, before::jsonb, after::jsonb, reason, request_id,
         client_address, occurred_at, refusal, operator
  from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::timestamptz[], $12::text[], $13::text[]
  ) as a (id, actor_id, session_id, action, target_id, before, after, reason, request_id, client_address,
          occurred_at, refusal, operator)
)""",
        attrgetter("audit"),
        _columns(
            "id, actor_id, session_id, action, target_id",
            lambda entry: to_json(dict(entry.before)),
            lambda entry: to_json(dict(entry.after)),
            "reason, request.request_id, request.client_address, occurred_at, refusal, operator",
        ),
    ),
    Part(
        """answered as (
  update private.idempotency_keys k set status = r.status, body = r.body
  from unnest($1::uuid[], $2::text[], $3::int[], $4::text[]) as r (user_id, key, status, body)
  where k.user_id = r.user_id and k.key = r.key
  returning true
)""",
        attrgetter("responses"),
        _columns("user_id, key, response.status, response.body"),
        "answered",
    ),
)


def statement_of(batches: Sequence[WriteBatch]) -> tuple[str, list[object], int]:
    """The statement that writes *batches* in their order, its arguments, and how many locked rows it must change.

    It is empty where there is nothing to write.
    """
    parts, arguments, expected = [], list[object](), 0
    for part in PARTS:
        if rows := part.rows(chain.from_iterable(map(part.of, batches))):
            parts.append(part)
            arguments += ([value(row) for row in rows] for value in part.columns)
            expected += len(rows) if part.counted else 0
    return _combined(tuple((part.sql, part.counted) for part in parts)), arguments, expected


@lru_cache(maxsize=64)
def _combined(parts: tuple[tuple[str, str | None], ...]) -> str:
    """One statement of *parts*, its placeholders numbered through; it returns how many locked rows it changed."""
    if not parts:
        return ""
    texts, offset = [], 0
    for sql, _ in parts:
        numbers = [int(number) for number in _PLACEHOLDER.findall(sql)]
        texts.append(_PLACEHOLDER.sub(lambda match, by=offset: f"${int(match[1]) + by}", sql))  # type: ignore[misc]
        offset += max(numbers)
    counts = [f"(select count(*) from {counted})" for _, counted in parts if counted]  # noqa: S608
    return f"with {', '.join(texts)} select {' + '.join(counts) or '0'}"
