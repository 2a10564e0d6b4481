"""The doctor sends a message as the relay does, and waits until it arrives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from devstack.keys import SigningKey
from devstack.supabase import RealtimeLimits
from infrastructure.doctor.findings import Finding
from infrastructure.doctor.supabase import check_realtime
from support.backend import settings_for
from support.broken_realtime import messages_locked, partition_missing
from support.database import Database
from support.faulty_realtime import faulty_realtime
from support.stack import SupabaseStack, supabase_on

pytestmark = pytest.mark.anyio


async def found(database: Database, stack: SupabaseStack, **changes: Any) -> Sequence[Finding]:
    return [finding async for finding in check_realtime(settings_for(database, stack, **changes))]


def codes(findings: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in findings]


async def test_a_message_that_arrives_leaves_nothing_but_the_rate_to_tell(database: Database) -> None:
    with supabase_on(
        database.cluster, database.name, limits=RealtimeLimits(messages_per_second=100)
    ) as stack:
        [note] = await found(database, stack, lingualink_realtime_share=0.9)
    assert note.message == (
        "the plan allows 100 messages a second; the relay uses 90% of it, "
        "which is 30 events a second to people with two devices each"
    )


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (RealtimeLimits(single_endpoint=False), ["realtime_older", "realtime_rate"]),
        (RealtimeLimits(channels_per_connection=0), ["realtime_not_delivered"]),
        (RealtimeLimits(requests_per_second=0), ["realtime_rate_reached"]),
    ],
    ids=["an older server", "a channel that is refused", "a rate that is reached"],
)
async def test_what_keeps_messages_from_arriving_is_named(
    database: Database, limits: RealtimeLimits, expected: list[str]
) -> None:
    with supabase_on(database.cluster, database.name, limits=limits) as stack:
        assert codes(await found(database, stack)) == expected


async def test_a_missing_partition_and_a_lock_are_told_apart(database: Database) -> None:
    platform = await asyncpg.connect(database.superuser_url)
    try:
        with supabase_on(database.cluster, database.name, limits=RealtimeLimits(probe_seconds=1)) as stack:
            async with partition_missing(platform):
                missing = await found(database, stack)
            async with messages_locked(platform):
                locked = await found(database, stack)
    finally:
        await platform.close()
    assert codes(missing) == ["realtime_partition_missing"]
    assert codes(locked) == ["realtime_unreachable"]
    assert "Tenant database unavailable" in locked[0].message


async def test_a_server_that_is_none_of_supabases_is_unreachable(database: Database) -> None:
    with supabase_on(database.cluster, database.name) as stack:
        async with faulty_realtime() as nobody:
            await nobody._close()
            assert codes(await found(database, stack, supabase_url=nobody.url)) == ["realtime_unreachable"]


async def test_a_legacy_key_works_and_is_named(database: Database, tmp_path: Path) -> None:
    legacy = SecretStr(SigningKey.load(tmp_path).sign_role("service_role"))
    with supabase_on(database.cluster, database.name, key_folder=tmp_path) as stack:
        findings = await found(database, stack, supabase_secret_key=legacy)
    assert codes(findings) == ["legacy_key", "realtime_rate"]
    assert "2026" in findings[0].message
