"""A write batch in one statement: only the parts that it needs, each static text over arrays.

The same mix of parts gives the same text, so that the server plans it once for each connection; and batches of
several transactions make one statement as one does.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from application.encoding import to_json
from application.transactions import WriteBatch
from domain.events import topic_of
from domain.withdrawals import WithdrawalStatus

_PLACEHOLDER: Final = re.compile(r"\$(\d+)")


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of write: its SQL counts placeholders from $1; ``rows`` finds what of a batch it writes.

    ``counted`` is the part of the SQL whose rows were locked and read before: each of them must be there, anything
    less is a mistake of ours.
    """

    sql: str
    rows: Callable[[WriteBatch], Sequence[Any]]
    columns: tuple[Callable[[Any], object], ...]
    counted: str | None = None


def _moves(batch: WriteBatch) -> list[tuple[Any, Any]]:
    """The first and the last row of each wallet."""
    moves: dict[Any, tuple[Any, Any]] = {}
    for row in batch.transactions:
        first, _ = moves.get(row.user_id, (row, row))
        moves[row.user_id] = (first, row)
    return list(moves.values())


# A balance moves only from the version that was locked and read. Several rows of one wallet move it once.
PARTS: Final = (
    Part(
        """moved as (
  update public.wallets w
  set balance = m.balance, version = m.version, updated_at = m.at, hash = m.hash
  from unnest($1::uuid[], $2::bigint[], $3::numeric[], $4::bigint[], $5::timestamptz[], $6::bytea[])
    as m (user_id, was, balance, version, at, hash)
  where w.user_id = m.user_id and w.version = m.was
  returning true
)""",
        _moves,
        (
            lambda pair: pair[0].user_id,
            lambda pair: pair[0].version - 1,
            lambda pair: pair[1].balance_after.amount,
            lambda pair: pair[1].version,
            lambda pair: pair[1].created_at,
            lambda pair: bytes.fromhex(pair[1].hash),
        ),
        "moved",
    ),
    Part(
        """posted as (
  insert into public.wallet_transactions
    (id, user_id, kind, amount, balance_after, version, created_at, counterparty_id, reference_id, note,
     hash)
  select * from unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[], $6::bigint[], $7::timestamptz[],
    $8::uuid[], $9::uuid[], $10::text[], $11::bytea[]
  )
)""",
        lambda batch: batch.transactions,
        (
            lambda row: row.id,
            lambda row: row.user_id,
            lambda row: row.kind,
            lambda row: row.amount.amount,
            lambda row: row.balance_after.amount,
            lambda row: row.version,
            lambda row: row.created_at,
            lambda row: row.counterparty_id,
            lambda row: row.reference_id,
            lambda row: row.note,
            lambda row: bytes.fromhex(row.hash),
        ),
    ),
    Part(
        """entries as (
  insert into private.ledger_entries (reference_id, account, amount, created_at)
  select * from unnest($1::uuid[], $2::text[], $3::numeric[], $4::timestamptz[])
)""",
        lambda batch: batch.entries,
        (
            lambda entry: entry.reference_id,
            lambda entry: entry.account,
            lambda entry: entry.amount.amount,
            lambda entry: entry.created_at,
        ),
    ),
    Part(
        """events as (
  insert into private.realtime_outbox (event_id, topic, event, payload)
  select event_id, topic, event, payload::jsonb
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as e (event_id, topic, event, payload)
)""",
        lambda batch: batch.events,
        (
            lambda event: event.event_id,
            lambda event: topic_of(event.recipient_id),
            lambda event: event.NAME,
            to_json,
        ),
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
        lambda batch: batch.posts,
        (
            lambda post: post.id,
            lambda post: post.status,
            lambda post: post.validated_by,
            lambda post: post.validated_at,
            lambda post: post.validation_reason,
            lambda post: post.version,
        ),
        "validated",
    ),
    Part(
        """held as (
  insert into public.wallet_withdrawals (id, user_id, amount, transaction_id, created_at)
  select * from unnest($1::uuid[], $2::uuid[], $3::numeric[], $4::uuid[], $5::timestamptz[])
)""",
        lambda batch: [row for row in batch.withdrawals if row.status is WithdrawalStatus.HELD],
        (
            lambda row: row.id,
            lambda row: row.user_id,
            lambda row: row.amount.amount,
            lambda row: row.transaction_id,
            lambda row: row.created_at,
        ),
    ),
    Part(
        """settled as (
  update public.wallet_withdrawals d
  set status = s.status, settled_by = s.by, settled_at = s.at, reason = s.reason
  from unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[]) as s (id, status, by, at, reason)
  where d.id = s.id and d.status = 'held'
  returning true
)""",
        lambda batch: [row for row in batch.withdrawals if row.status is not WithdrawalStatus.HELD],
        (
            lambda row: row.id,
            lambda row: row.status,
            lambda row: row.settled_by,
            lambda row: row.settled_at,
            lambda row: row.reason,
        ),
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
        lambda batch: batch.approvals,
        (
            lambda approval: approval.id,
            lambda approval: approval.action,
            lambda approval: approval.target_id,
            lambda approval: to_json(dict(approval.request)),
            lambda approval: approval.requested_by,
            lambda approval: approval.created_at,
            lambda approval: approval.expires_at,
        ),
    ),
    Part(
        """agreed as (
  update private.approvals a set status = d.status, decided_by = d.by, decided_at = d.at
  from unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[]) as d (id, status, by, at)
  where a.id = d.id and a.status = 'waiting'
  returning true
)""",
        lambda batch: batch.approvals_decided,
        (
            lambda approval: approval.id,
            lambda approval: approval.status,
            lambda approval: approval.decided_by,
            lambda approval: approval.decided_at,
        ),
        "agreed",
    ),
    Part(
        """roles as (
  update public.profiles p set role = r.role from unnest($1::uuid[], $2::text[]) as r (id, role) where p.id = r.id
  returning true
)""",
        lambda batch: batch.roles,
        (lambda change: change[0], lambda change: change[1]),
        "roles",
    ),
    Part(
        """banned as (
  insert into private.bans (user_id, reason, banned_by, banned_at)
  select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[])
  on conflict (user_id) do update
  set reason = excluded.reason, banned_by = excluded.banned_by, banned_at = excluded.banned_at
)""",
        lambda batch: batch.bans,
        (
            lambda ban: ban.user_id,
            lambda ban: ban.reason,
            lambda ban: ban.banned_by,
            lambda ban: ban.banned_at,
        ),
    ),
    Part(
        """lifted as (
  delete from private.bans where user_id = any ($1::uuid[]) returning true
)""",
        lambda batch: batch.lifted_bans,
        (lambda user_id: user_id,),
        "lifted",
    ),
    Part(
        """rates as (
  update private.reward_rates t set amount = r.amount, updated_at = r.at
  from unnest($1::text[], $2::numeric[], $3::timestamptz[]) as r (action, amount, at) where t.action = r.action
  returning true
)""",
        lambda batch: batch.rates,
        (lambda rate: rate.action, lambda rate: rate.amount.amount, lambda rate: rate.updated_at),
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
        lambda batch: batch.audit,
        (
            lambda entry: entry.id,
            lambda entry: entry.actor_id,
            lambda entry: entry.session_id,
            lambda entry: entry.action,
            lambda entry: entry.target_id,
            lambda entry: to_json(dict(entry.before)),
            lambda entry: to_json(dict(entry.after)),
            lambda entry: entry.reason,
            lambda entry: entry.request.request_id,
            lambda entry: entry.request.client_address,
            lambda entry: entry.occurred_at,
            lambda entry: entry.refusal,
            lambda entry: entry.operator,
        ),
    ),
    Part(
        """answered as (
  update private.idempotency_keys k set status = r.status, body = r.body
  from unnest($1::uuid[], $2::text[], $3::int[], $4::text[]) as r (user_id, key, status, body)
  where k.user_id = r.user_id and k.key = r.key
  returning true
)""",
        lambda batch: batch.responses,
        (
            lambda answer: answer[0],
            lambda answer: answer[1],
            lambda answer: answer[2].status,
            lambda answer: answer[2].body,
        ),
        "answered",
    ),
)


def statement_of(batch: WriteBatch) -> tuple[str, list[object], int]:
    """The statement of a batch that is not empty, its arguments, and how many locked rows it must change."""
    parts, arguments, expected = [], list[object](), 0
    for part in PARTS:
        if rows := part.rows(batch):
            parts.append(part)
            arguments += ([value(row) for row in rows] for value in part.columns)
            expected += len(rows) if part.counted else 0
    return _combined(tuple((part.sql, part.counted) for part in parts)), arguments, expected


@lru_cache(maxsize=64)
def _combined(parts: tuple[tuple[str, str | None], ...]) -> str:
    """One statement of *parts*, its placeholders numbered through; it returns how many locked rows it changed."""
    texts, offset = [], 0
    for sql, _ in parts:
        numbers = [int(number) for number in _PLACEHOLDER.findall(sql)]
        texts.append(_PLACEHOLDER.sub(lambda match, by=offset: f"${int(match[1]) + by}", sql))  # type: ignore[misc]
        offset += max(numbers)
    counts = [f"(select count(*) from {counted})" for _, counted in parts if counted]  # noqa: S608
    return f"with {', '.join(texts)} select {' + '.join(counts) or '0'}"
