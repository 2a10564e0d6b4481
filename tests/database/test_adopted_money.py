"""The app's money becomes the ledger's: no balance is lost, none is guessed, and old builds go on reading."""

import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from contract.backend import postgres_backend
from contract.test_limits import pay
from contract.test_transfers import pay as paid
from contract.test_validation import decide
from database.arena import Arena, arena
from database.attacks import ME, VICTIM, Case
from domain.identity import AccountStatus, Role
from domain.money import Money
from domain.posts import PostStatus
from domain.rewards import RewardedAction
from domain.wallet import TransactionKind
from infrastructure.adoption.checks import (
    check_frozen,
    check_guards,
    check_mirrors,
    check_old_money,
    read_guards,
)
from infrastructure.adoption.clients import check_old_tables
from infrastructure.adoption.money import _OPEN, BATCH, MONEY_RETIREMENT, MONEY_STEPS
from infrastructure.adoption.steps import in_batches
from infrastructure.doctor.findings import Finding, Findings
from infrastructure.doctor.restoring import repair
from infrastructure.postgres.accounts import unfreeze
from infrastructure.postgres.erasure import erase
from support.clips import run_steps
from support.database import Database
from support.ledger import findings, proven

pytestmark = pytest.mark.anyio

ODD = ("NaN", "-4.00", "-0.0001", "100000000", "99999999.99995", "0.00001", "1e30")
EVEN = ("0", "0.00", None, "12.50", "0.01", "0.005", "99999999.99", "99999999.9999", "7")
BALANCES = "select id, balance from public.profiles order by id"
KEPT = """
select p.id, p.balance as had, w.balance as has, coalesce(w.frozen, false) as frozen, o.balance as recorded,
       o.user_id is not null as is_recorded
from public.profiles p left join public.wallets w on w.user_id = p.id left join private.openings o on o.user_id = p.id
"""
ACCOUNTS = "select coalesce(sum(amount), 0) from private.ledger_entries"


@pytest.fixture
async def owner(clips_database: Database) -> AsyncIterator[Any]:
    """A connection as the operator's, to a database with the app's tables."""
    connection = await asyncpg.connect(clips_database.migrator_url)
    try:
        yield connection
    finally:
        await connection.close()


async def found_by(check: Findings) -> list[Finding]:
    return [finding async for finding in check]


async def has(owner: Any, user_id: str | UUID, balance: str | None) -> None:
    await owner.execute(
        "insert into public.profiles (id, balance) values ($1::text::uuid, $2::text::numeric) "
        "on conflict (id) do update set balance = excluded.balance",
        str(user_id),
        balance,
    )


async def fill(owner: Any, seed: int, people: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - awkward, not secret
    rows = [
        (uuid4(), chance.choice(ODD if chance.random() < 0.2 else (*EVEN, f"{chance.uniform(0, 1e6):.2f}")))
        for _ in range(people)
    ]
    await owner.executemany("insert into public.profiles (id, balance) values ($1, $2::text::numeric)", rows)


@pytest.mark.parametrize("seed", range(3))
async def test_no_balance_differs_by_a_cent_unless_it_is_listed(
    seed: int, owner: Any, clips_database: Database
) -> None:
    await fill(owner, seed, 2_300)
    before = await owner.fetch(BALANCES)

    await owner.execute(_OPEN, UUID(int=0), "wallet.frozen")  # and killed after the first thousand
    await run_steps(owner, MONEY_STEPS)

    assert await owner.fetchval("select count(*) from private.openings") == 2_300
    for row in await owner.fetch(KEPT):
        odd = row["had"] is not None and not _fits(row["had"])
        assert row["is_recorded"]
        assert str(row["recorded"]) == str(row["had"])
        assert row["frozen"] is odd
        assert (row["has"] or 0) == (0 if odd else row["had"] or 0)
    assert str(await owner.fetch(BALANCES)) == str(before)
    frozen = await owner.fetchval("select count(*) from public.wallets where frozen")
    assert (
        await owner.fetchval("select count(*) from private.audit_log where action = 'wallet.frozen'")
        == frozen
    )
    assert await owner.fetchval(ACCOUNTS) == -await owner.fetchval("select sum(balance) from public.wallets")
    assert await findings(clips_database) == []


def _fits(balance: Decimal) -> bool:
    return balance == 0 or (
        balance.is_finite() and 0 < balance <= Decimal("99999999.9999") and balance == round(balance, 4)
    )


ROWS_READ = """
select sum(seq_tup_read + idx_tup_fetch)::int from pg_stat_user_tables
where relname in ('profiles', 'openings')
"""
PEOPLE = 2_000


async def test_a_batch_reads_its_own_people_however_many_are_done(owner: Any) -> None:
    await fill(owner, 5, PEOPLE)
    await owner.execute("analyze")
    before = await _rows_read(owner)

    await in_batches(owner, _OPEN.replace(f"limit {BATCH}", "limit 50"), "wallet.frozen")

    assert await owner.fetchval("select count(*) from private.openings") == PEOPLE
    assert await _rows_read(owner) - before < 10 * PEOPLE


async def test_who_comes_while_batches_run_is_not_passed_over(owner: Any) -> None:
    await fill(owner, 6, 20)
    first, late = UUID(int=1), UUID(int=2)
    await owner.execute("insert into public.profiles (id, balance) values ($1, 3)", first)
    one = _OPEN.replace(f"limit {BATCH}", "limit 1")
    assert await owner.fetchval(one, UUID(int=0), "wallet.frozen") == first

    joins = "insert into public.profiles (id, balance) values ($1, 4) on conflict do nothing"

    class Joining:
        """The connection, on which somebody signs up behind the batches before the last one."""

        async def fetchval(self, statement: str, since: UUID, *arguments: object) -> object:
            if since.int > late.int:
                await owner.execute(joins, late)
            return await owner.fetchval(statement, since, *arguments)

    await in_batches(Joining(), one, "wallet.frozen")  # type: ignore[arg-type]

    assert await owner.fetchval("select balance from public.wallets where user_id = $1", late) == 4
    assert await owner.fetchval("select count(*) from private.openings") == 22


async def _rows_read(owner: Any) -> int:
    await owner.execute("select pg_stat_force_next_flush()")
    return int(await owner.fetchval(ROWS_READ))


async def test_a_second_run_changes_nothing(owner: Any) -> None:
    await fill(owner, 9, 60)
    await run_steps(owner, MONEY_STEPS)
    look = "select t::text from public.wallets t union all select t::text from public.wallet_transactions t order by 1"
    before = await owner.fetch(look)

    await run_steps(owner, MONEY_STEPS)

    assert await owner.fetch(look) == before


async def test_builds_in_the_field_read_what_the_ledger_says(owner: Any, clips_database: Database) -> None:
    await run_steps(owner, MONEY_STEPS)
    async with postgres_backend(clips_database) as backend:
        one, other = await backend.user(balance="10.00"), await backend.user()
        for amount in ("1.005", "0.004", "2"):
            await pay(backend, one, other, amount)
        moderator = await backend.user(Role.MODERATOR)
        await backend.rate("0.507")
        post = await backend.post(other)
        await decide(backend, moderator, post, PostStatus.APPROVED, seen=1)

    rows = await owner.fetch(
        "select user_id, type, amount from public.transactions order by created_at, amount"
    )
    seen = {row["id"]: row["balance"] for row in await owner.fetch(BALANCES)}
    assert (seen[one.user_id], seen[other.user_id]) == (Decimal("6.99"), Decimal("3.51"))
    sent = [row["amount"] for row in rows if row["user_id"] == str(one.user_id)]
    assert sum(sent) == Decimal("6.99")
    assert sum(row["amount"] for row in rows if row["user_id"] == str(other.user_id)) == Decimal("3.51")
    assert {row["type"] for row in rows} == {"refund", "withdrawal", "top_up", "earning"}
    assert await found_by(check_old_money(owner)) == []


async def test_an_erased_persons_words_go_from_the_old_places_too_and_the_sums_stay(
    owner: Any, clips_database: Database
) -> None:
    await run_steps(owner, MONEY_STEPS)
    async with postgres_backend(clips_database) as backend:
        person, friend = await backend.user(balance="10.00"), await backend.user(balance="10.00")
        await paid(backend, person, friend, "1", note="Amahoro Uwase")
        await paid(backend, friend, person, "2", note="Amahoro Uwase", key="back")
        third = await backend.user()
        await paid(backend, friend, third, "1", note="keep me", key="third")
        await backend.has_account_status(person, AccountStatus.DELETED)
    sums = "select amount, description is null as blank from public.transactions order by created_at, amount"
    before = [row["amount"] for row in await owner.fetch(sums)]

    await erase(clips_database.migrator, person.user_id)

    after = await owner.fetch(sums)
    assert [row["amount"] for row in after] == before
    words = await owner.fetch(
        "select distinct description from public.transactions where description is not null"
    )
    assert [row["description"] for row in words] == ["keep me"]
    assert await owner.fetchval("select balance from public.profiles where id = $1", person.user_id) == 11
    assert await found_by(check_old_money(owner)) == []


async def test_whoever_wrote_money_before_is_told_by_the_doctor(owner: Any) -> None:
    await has(owner, ME, "12.50")
    await owner.execute(
        "insert into public.transactions (user_id, amount, type) values ($1, 12.5, 'earning')", ME
    )
    await run_steps(owner, MONEY_STEPS)
    assert await found_by(check_old_money(owner)) == []

    await owner.execute(
        "insert into public.transactions (user_id, amount, type) values ($1, 1, 'top_up')", ME
    )
    await owner.execute("update public.profiles set balance = balance + 1 where id = $1", UUID(ME))

    found = {one.code: one.message for one in await found_by(check_old_money(owner))}
    assert found.keys() == {"old_money_writer", "old_balance_differs"}
    assert ME in found["old_balance_differs"]


async def test_a_frozen_wallet_is_named_until_an_operator_unfreezes_it(owner: Any) -> None:
    await has(owner, ME, "NaN")
    await run_steps(owner, MONEY_STEPS)
    [named] = await found_by(check_frozen(owner))

    done = [await unfreeze(owner, UUID(ME), "paid by hand") for _ in range(2)]

    assert (named.code, ME in named.message) == ("wallets_frozen", True)
    assert done == [True, False]
    assert await found_by(check_frozen(owner)) == []
    [row] = await owner.fetch(
        "select target_id, reason from private.audit_log where action = 'wallet.unfrozen'"
    )
    assert tuple(row) == (UUID(ME), "paid by hand")


async def test_what_the_app_paid_for_before_is_not_paid_again(owner: Any, clips_database: Database) -> None:
    async with postgres_backend(clips_database) as backend:
        author, moderator = await backend.user(), await backend.user(Role.MODERATOR)
        approved = await backend.post(author, validation_status=PostStatus.APPROVED)
        paid_for, voted_on, new = [await backend.post(author) for _ in range(3)]
        earned = "insert into public.transactions (user_id, amount, type, reference_id) values ($1, 1, 'earning', $2)"
        await owner.execute(earned, str(author.user_id).upper(), paid_for.id)
        await owner.execute(earned, str(moderator.user_id), voted_on.id)  # who voted was paid, too
        await run_steps(owner, MONEY_STEPS, {RewardedAction.POST_APPROVED: Money(Decimal(2))})

        await decide(backend, moderator, approved, PostStatus.REJECTED, reason="copied")
        again = await backend.read_post(approved.id)
        await decide(backend, moderator, again, PostStatus.APPROVED, reason="not copied", seen=again.version)
        for post in (paid_for, voted_on, new):
            await decide(backend, moderator, post, PostStatus.APPROVED, seen=post.version)

        rows = await backend.ledger(author)
    assert [(row.kind, row.reference_id) for row in rows] == [
        (TransactionKind.EARNING, voted_on.id),
        (TransactionKind.EARNING, new.id),
    ]
    assert await proven(clips_database) == []


async def test_a_rate_is_what_was_confirmed_and_nothing_else(owner: Any, clips_database: Database) -> None:
    await owner.execute("insert into public.reward_rates (action_type, amount) values ('post_approved', 900)")

    await run_steps(owner, MONEY_STEPS, {RewardedAction.POST_APPROVED: Money(Decimal("0.0050"))})
    await run_steps(owner, MONEY_STEPS, {RewardedAction.POST_APPROVED: Money(Decimal("0.0050"))})

    assert await owner.fetchval("select amount from private.reward_rates") == Decimal("0.0050")
    assert (
        await owner.fetchval("select count(*) from private.audit_log where action = 'reward_rate.changed'")
        == 1
    )
    assert await findings(clips_database) == []


async def test_what_was_mirrored_stays_as_it_is_once_that_is_over(
    owner: Any, clips_database: Database
) -> None:
    await run_steps(owner, MONEY_STEPS)
    await run_steps(owner, (MONEY_RETIREMENT,))
    async with postgres_backend(clips_database) as backend:
        one, other = await backend.user(balance="10.00"), await backend.user()
        await pay(backend, one, other, "1")

    assert await owner.fetch("select from public.transactions") == []
    assert await found_by(check_old_money(owner)) == []


ADOPTED = """
insert into private.adoption (tables, posts_source, confirmed_by, adopted_at) values ('{}', 'clips', 'tests', now())
"""


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (
            "drop trigger zz_guard_clip on public.voice_clips",
            "zz_guard_clip on public.voice_clips is missing",
        ),
        (
            "alter table public.transactions disable trigger zz_refuse_clients",
            "zz_refuse_clients on public.transactions",
        ),
        (
            "drop trigger write_post on private.posts",
            "write_post on private.posts is missing",
        ),
        (
            "drop trigger zz_mirror_balance on public.wallets",
            "zz_mirror_balance on public.wallets is missing",
        ),
    ],
)
async def test_the_doctor_names_a_guard_of_the_apps_tables_that_is_gone(
    owner: Any, damage: str, named: str
) -> None:
    await run_steps(owner, MONEY_STEPS)
    await owner.execute(ADOPTED)
    before = await found_by(check_guards(owner))

    await owner.execute(damage)

    [finding] = await found_by(check_guards(owner))
    assert before == []
    assert named in finding.message
    done = await repair(owner, await read_guards(owner))
    assert [name for name in done.repaired if name in finding.message] == done.repaired
    assert len(done.repaired) == 1
    assert await found_by(check_guards(owner)) == []


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("drop trigger zz_guard_clip on public.voice_clips", "approve its own clip (voice_clips)"),
        ("drop trigger zz_guard_clip on public.video_clips", "reword another user's clip (video_clips)"),
        (
            "drop trigger zz_refuse_banned_author on public.video_clips",
            "add a clip while banned (video_clips)",
        ),
        ("drop trigger zz_refuse_clients on public.voice_clips", "truncate voice_clips"),
        ("drop trigger zz_refuse_clients on public.validations", "vote on clips"),
        ("drop trigger zz_guard_balance on public.profiles", "raise its old balance"),
        (
            "drop trigger zz_refuse_clients on public.withdrawals",
            "ask for an old withdrawal",
        ),
    ],
)
async def test_the_doctor_tries_what_clients_could_do_to_the_apps_tables(
    owner: Any, damage: str, named: str
) -> None:
    await run_steps(owner, MONEY_STEPS)
    assert await found_by(check_old_tables(owner)) == []  # nothing was adopted
    await owner.execute(ADOPTED)
    before = await found_by(check_old_tables(owner))

    await owner.execute(damage)

    found = await found_by(check_old_tables(owner))
    assert before == []
    assert {finding.code for finding in found} == {"client_can"}
    assert f"a client can {named}" in {finding.message for finding in found}


async def test_the_doctor_names_what_would_refuse_a_payment_since(
    owner: Any, clips_database: Database
) -> None:
    await run_steps(owner, MONEY_STEPS)
    await owner.execute(ADOPTED)
    service = await asyncpg.connect(clips_database.service_url, statement_cache_size=0)
    try:
        before = await found_by(check_mirrors(service))
        await owner.execute("alter table public.transactions add constraint up check (amount > 0)")
        found = await found_by(check_mirrors(service))
    finally:
        await service.close()

    assert before == []
    assert [finding.code for finding in found] == ["mirror_refused"]
    assert "public.transactions.amount: up refuses" in found[0].message


async def test_a_restore_makes_the_guards_of_the_apps_tables_again_with_what_they_call(owner: Any) -> None:
    await run_steps(owner, MONEY_STEPS)
    await owner.execute(ADOPTED)
    await owner.execute("drop function private.guard_clip() cascade")

    done = await repair(owner, await read_guards(owner))

    assert done.repaired == [
        "function private.guard_clip()",
        *(f"trigger zz_guard_clip on public.{table}" for table in ("video_clips", "voice_clips")),
        "no right of public to EXECUTE on function private.guard_clip()",
    ]
    assert await found_by(check_guards(owner)) == []
    assert (await repair(owner, await read_guards(owner))).repaired == []


REFUSED = (
    Case("raise one's old balance", ME, f"update public.profiles set balance = 1000 where id = '{ME}'"),
    Case("make it no number", ME, f"update public.profiles set balance = 'NaN' where id = '{ME}'"),
    Case("have earned more", ME, f"update public.profiles set total_earned = 9 where id = '{ME}'"),
    Case(
        "book an old transaction", ME, f"insert into public.transactions (user_id, amount) values ('{ME}', 9)"
    ),
    Case("change old transactions", ME, "update public.transactions set amount = 9"),
    Case(
        "ask for an old withdrawal",
        ME,
        f"insert into public.withdrawals (user_id, amount) values ('{ME}', 9)",
    ),
    Case("settle old withdrawals", ME, "update public.withdrawals set status = 'completed'"),
    Case("delete old withdrawals", ME, "delete from public.withdrawals"),
    Case("raise a rate with the anon key", None, "update public.reward_rates set amount = 9"),
    Case("read what others began with", ME, "select balance from private.openings"),
)
ALLOWED = (
    Case(
        "read one's old balance", ME, f"select balance, total_earned from public.profiles where id = '{ME}'"
    ),
    Case("read one's old transactions", ME, f"select amount from public.transactions where user_id = '{ME}'"),
    Case("edit one's name", ME, f"update public.profiles set full_name = 'n' where id = '{ME}'"),
)


@pytest.fixture
async def place(owner: Any, clips_database: Database) -> AsyncIterator[Arena]:
    for who in (ME, VICTIM):
        await has(owner, who, "5")
        await owner.execute("insert into public.transactions (user_id, amount) values ($1, 5)", who)
        await owner.execute("insert into public.withdrawals (user_id, amount) values ($1, 5)", who)
    await owner.execute("alter table public.transactions enable row level security")
    await run_steps(owner, MONEY_STEPS)
    async with arena(clips_database) as made:
        yield made


async def test_a_client_writes_no_money_to_the_old_places(place: Arena) -> None:
    for case in REFUSED:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await place.run(case, keep=False)
    for case in ALLOWED:
        assert await place.run(case, keep=False) == 1, case.name
