"""Thousands of transactions at a steady rate: all arrive, in order, and the figures are told.

``make soak`` runs the long form; the normal suite takes a sample.
"""

import os
import sys
from collections.abc import Callable

import pytest

from support.backend import backend
from support.database import Database
from support.faulty_realtime import FaultyRealtime, beside
from support.money import off_loop, payer
from support.stack import SupabaseStack

pytestmark = pytest.mark.anyio

TRANSACTIONS = int(os.environ.get("LINGUALINK_SOAK_TRANSACTIONS", "150"))
PER_SECOND = 50
FIGURES = """
select percentile_cont(array[0.5, 0.99]) within group (
         order by 1000 * extract(epoch from delivered_at - created_at)
       ) as ms, sum(attempts) as attempts, count(*) as events
from private.realtime_outbox
"""


@pytest.mark.timeout(300 + 2 * TRANSACTIONS // PER_SECOND)
async def test_every_transaction_is_told_in_order(
    database: Database,
    supabase: SupabaseStack,
    realtime: FaultyRealtime,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = beside(realtime, supabase)
    async with off_loop(backend(database, supabase, **settings)) as system, payer(system) as paying:
        paid = await paying.pay_for(TRANSACTIONS / PER_SECOND, per_second=PER_SECOND)
        await realtime.until(2 * paid, 30)
        while await database.fetch("select from private.realtime_outbox where delivered_at is null"):
            pass
    [figures] = await database.fetch(FIGURES)
    p50, p99 = figures["ms"]
    told = f"{paid} transactions at {PER_SECOND}/s: commit to accepted p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    record_property("figures", told)
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")
    assert paying.answers == [201] * paid
    versions = realtime.versions()
    assert versions[paying.sender.topic] == list(range(2, paid + 2))
    assert versions[paying.recipient.topic] == list(range(1, paid + 1))
    assert (figures["events"], figures["attempts"], realtime.repeated()) == (2 * paid, 2 * paid, 0)
