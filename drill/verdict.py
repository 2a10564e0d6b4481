"""What must hold at the end: no request failed, no event lost, every wallet equal to its rows."""

import asyncio
import time
from dataclasses import dataclass
from uuid import UUID

from drill.load import Tally
from support.database import Database
from support.javascript import Script
from support.people import Person

EVENTS_WITHIN_S = 90

_WRONG_WALLETS = """
select count(*) from (
  select w.user_id
  from public.wallets w left join public.wallet_transactions t using (user_id)
  group by w.user_id, w.balance, w.version
  having w.balance <> coalesce(sum(t.amount), 0)
      or w.version <> count(t.id)
      or w.version <> coalesce(max(t.version), 0)
) wrong
"""
_WRONG_ROWS = """
select count(*) from (
  select balance_after, sum(amount) over (partition by user_id order by version) as summed
  from public.wallet_transactions
) rows where balance_after <> summed
"""
_WRONG_PAIRS = """
select count(*) from (
  select reference_id from public.wallet_transactions where kind in ('transfer_in', 'transfer_out')
  group by reference_id having sum(amount) <> 0 or count(*) <> 2
) wrong
"""
_TRANSFERS = "select id::text as id from public.wallet_transactions where kind = 'transfer_out'"
_OWED = "select count(*) from private.realtime_outbox where delivered_at is null"


class Listener:
    """A supabase-js client that hears what its person is told."""

    def __init__(self, person: Person, script: Script) -> None:
        self.person = person
        self.heard: set[str] = set()
        self._task = asyncio.create_task(self._listen(script))

    async def _listen(self, script: Script) -> None:
        while True:
            message = (await script.expect("broadcast", seconds=3_600))["message"]
            if message["event"] == "balance_updated":
                self.heard.add(message["payload"]["transaction_id"])

    async def lost(self, database: Database) -> int:
        """How many committed transactions it did not hear of, once there was time enough."""
        rows = await database.fetch(
            "select id::text as id from public.wallet_transactions where user_id = $1 and kind <> 'opening'",
            UUID(self.person.id),
        )
        owed = {row["id"] for row in rows}
        try:
            async with asyncio.timeout(EVENTS_WITHIN_S):
                while owed - self.heard:  # noqa: ASYNC110 - heard by the other task
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pass
        self._task.cancel()
        return len(owed - self.heard)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The drill's figures."""

    tally: Tally
    heard: int
    lost: int
    owed: int
    unreconciled: int
    unclean_exits: int
    rolls: int
    seconds: float

    @property
    def good(self) -> bool:
        """Whether nobody noticed anything."""
        wrong = (self.lost, self.owed, self.unreconciled, self.unclean_exits, len(self.tally.failures))
        return not any(wrong)

    def table(self) -> str:
        """For people."""
        rows = [
            ("rolls", str(self.rolls), ""),
            ("requests", f"{self.tally.requests:,}", f"{self.tally.requests / self.seconds:.0f} a second"),
            ("  of which payments", f"{len(self.tally.transfers):,}", ""),
            ("  of which vault decisions", f"{self.tally.decisions:,}", ""),
            ("failures", str(len(self.tally.failures)), "must be 0"),
            ("slowest", f"{self.tally.slowest * 1000:.0f} ms", ""),
            ("events heard", f"{self.heard:,}", "by supabase-js"),
            ("events lost", str(self.lost), "must be 0"),
            ("events still owed", str(self.owed), "must be 0"),
            ("ledger rows that do not reconcile", str(self.unreconciled), "must be 0"),
            ("exits other than 0", str(self.unclean_exits), "must be 0"),
        ]
        lines = [f"  {name:35}{value:>12}  {note}".rstrip() for name, value, note in rows]
        failures = [f"    {failure}" for failure in self.tally.failures[:5]]
        return "\n".join(lines + failures)


async def unreconciled(database: Database, tally: Tally) -> int:
    """How much of the ledger is not as it should be: rows, pairs, and payments told but not there or the reverse."""
    counts: list[int] = [
        (await database.fetch(statement))[0]["count"]
        for statement in (_WRONG_WALLETS, _WRONG_ROWS, _WRONG_PAIRS)
    ]
    there = {row["id"] for row in await database.fetch(_TRANSFERS)}
    unanswered = 0 if tally.failures else len(there - tally.transfers)
    return sum(counts) + unanswered + len(tally.transfers - there)


async def still_owed(database: Database) -> int:
    """How many events were not delivered; a backlog that gets less is waited for, however slow the machine is."""
    least, since = float("inf"), time.monotonic()
    while left := int((await database.fetch(_OWED))[0]["count"]):
        if left < least:
            least, since = left, time.monotonic()
        elif time.monotonic() - since > EVENTS_WITHIN_S:
            break
        await asyncio.sleep(0.1)
    return left
