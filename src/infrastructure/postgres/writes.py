"""All that a unit of work buffered, in one statement: only the parts that it needs, each static text.

The same mix of parts gives the same text, so that the server plans it once for each connection.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from application.encoding import to_json
from application.idempotency import Outcome
from domain.audit import AuditEntry
from domain.events import Event, topic_of
from domain.wallet import Transaction
from domain.withdrawals import Withdrawal, WithdrawalStatus

# Each part counts its placeholders from $1. A balance moves only from the version that was locked and read.
LEDGER = """
moved as (
  update public.wallets w
  set balance = m.balance_after, version = m.version, updated_at = m.created_at
  from unnest($2::uuid[], $5::numeric[], $6::bigint[], $7::timestamptz[])
    as m (user_id, balance_after, version, created_at)
  where w.user_id = m.user_id and w.version = m.version - 1
  returning true
), booked as (
  insert into public.wallet_transactions
    (id, user_id, kind, amount, balance_after, version, created_at, counterparty_id, reference_id, note)
  select * from unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[], $6::bigint[], $7::timestamptz[],
    $8::uuid[], $9::uuid[], $10::text[]
  )
)
"""
OUTBOX = """
owed as (
  insert into private.realtime_outbox (event_id, topic, event, payload)
  select event_id, topic, event, payload::jsonb
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as e (event_id, topic, event, payload)
)
"""
KEY = """
remembered as (
  update private.idempotency_keys set result = $3::jsonb, refusal = $4 where user_id = $1 and key = $2
  returning true
)
"""
HELD = """
held as (
  insert into public.wallet_withdrawals (id, user_id, amount, transaction_id, created_at)
  values ($1, $2, $3, $4, $5)
  returning true
)
"""
SETTLED = """
settled as (
  update public.wallet_withdrawals set status = $2, settled_by = $3, settled_at = $4, reason = $5
  where id = $1 and status = 'held'
  returning true
)
"""
RECORDED = """
recorded as (
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
)
"""
# What must have changed a row that was locked and read before; anything less is a mistake of ours.
_COUNTED = {LEDGER: "moved", KEY: "remembered", SETTLED: "settled"}
_PLACEHOLDER = re.compile(r"\$(\d+)")


@lru_cache(maxsize=64)
def combined(parts: tuple[str, ...]) -> str:
    """One statement of *parts*, its placeholders numbered through; it returns how many locked rows it changed."""
    texts, offset = [], 0
    for part in parts:
        numbers = [int(number) for number in _PLACEHOLDER.findall(part)]
        texts.append(_PLACEHOLDER.sub(lambda match, by=offset: f"${int(match[1]) + by}", part))  # type: ignore[misc]
        offset += max(numbers)
    counts = [f"(select count(*) from {_COUNTED[part]})" for part in parts if part in _COUNTED]  # noqa: S608
    return f"with {','.join(texts)} select {' + '.join(counts) or '0'}"


@dataclass
class Writes:
    """What a unit of work will write when it commits."""

    transactions: list[Transaction] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    withdrawal: Withdrawal | None = None
    audit: list[AuditEntry] = field(default_factory=list)
    remembered: tuple[UUID, str, Outcome] | None = None

    def statement(self) -> tuple[str, list[object], int] | None:
        """The statement, its arguments, and how many locked rows it must change; None with nothing to write."""
        parts = [
            *_ledger(self.transactions),
            *_outbox(self.events),
            *_withdrawal(self.withdrawal),
            *_audit(self.audit),
            *_key(self.remembered),
        ]
        if not parts:
            return None
        settled = self.withdrawal is not None and self.withdrawal.status is not WithdrawalStatus.HELD
        expected = len(self.transactions) + settled + (self.remembered is not None)
        return (
            combined(tuple(part for part, _ in parts)),
            [argument for _, arguments in parts for argument in arguments],
            expected,
        )


Part = tuple[str, list[object]]


def _ledger(rows: Sequence[Transaction]) -> list[Part]:
    if not rows:
        return []
    columns: list[object] = [
        [row.id for row in rows],
        [row.user_id for row in rows],
        [row.kind for row in rows],
        [row.amount.amount for row in rows],
        [row.balance_after.amount for row in rows],
        [row.version for row in rows],
        [row.created_at for row in rows],
        [row.counterparty_id for row in rows],
        [row.reference_id for row in rows],
        [row.note for row in rows],
    ]
    return [(LEDGER, columns)]


def _outbox(events: Sequence[Event]) -> list[Part]:
    if not events:
        return []
    columns: list[object] = [
        [event.event_id for event in events],
        [topic_of(event.recipient_id) for event in events],
        [event.NAME for event in events],
        [to_json(event) for event in events],
    ]
    return [(OUTBOX, columns)]


def _withdrawal(row: Withdrawal | None) -> list[Part]:
    if row is None:
        return []
    if row.status is WithdrawalStatus.HELD:
        return [(HELD, [row.id, row.user_id, row.amount.amount, row.transaction_id, row.created_at])]
    return [(SETTLED, [row.id, row.status, row.settled_by, row.settled_at, row.reason])]


def _audit(entries: Sequence[AuditEntry]) -> list[Part]:
    if not entries:
        return []
    columns: list[object] = [
        [entry.id for entry in entries],
        [entry.actor_id for entry in entries],
        [entry.session_id for entry in entries],
        [entry.action for entry in entries],
        [entry.target_id for entry in entries],
        [to_json(dict(entry.before)) for entry in entries],
        [to_json(dict(entry.after)) for entry in entries],
        [entry.reason for entry in entries],
        [entry.origin.request_id for entry in entries],
        [entry.origin.client_address for entry in entries],
        [entry.occurred_at for entry in entries],
        [entry.refusal for entry in entries],
        [entry.operator for entry in entries],
    ]
    return [(RECORDED, columns)]


def _key(remembered: tuple[UUID, str, Outcome] | None) -> list[Part]:
    if remembered is None:
        return []
    user_id, key, outcome = remembered
    return [(KEY, [user_id, key, outcome.result, outcome.refusal])]
