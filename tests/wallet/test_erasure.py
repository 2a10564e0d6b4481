"""Erasing a person: the text goes, the books stay."""

from uuid import uuid4

import pytest

from contract.backend import PostgresBackend
from contract.test_transfers import pay
from contract.test_withdrawals import FAILED, held, settle
from domain.audit import AuditAction
from domain.errors import UserNotFound
from domain.identity import AccountStatus, Principal, Role
from domain.posts import PostStatus
from infrastructure.postgres.erasure import erase
from infrastructure.postgres.errors import NotDone
from support.database import MIGRATOR, Database
from support.ledger import proven

pytestmark = pytest.mark.anyio

SECRET = "Amahoro Uwase"
TEXTS = """
select 'profiles' as place, t::text from public.profiles t union all
select 'posts', t::text from public.posts t union all
select 'ledger', t::text from public.wallet_transactions t union all
select 'withdrawals', t::text from public.wallet_withdrawals t union all
select 'keys', t::text from private.idempotency_keys t union all
select 'outbox', t::text from private.realtime_outbox t
"""


async def _everywhere(backend: PostgresBackend, database: Database) -> tuple[Principal, Principal]:
    """Somebody whose name stands in every place that takes text, and somebody they dealt with."""
    person, friend = await backend.user(balance="10.00"), await backend.user(balance="10.00")
    admin = await backend.user(Role.ADMIN)
    await database.fetch("alter table public.profiles add column if not exists bio text")
    await database.fetch(
        "update public.profiles set username = $2, full_name = $2, avatar_url = $2, bio = $2 where id::uuid = $1",
        person.user_id,
        SECRET,
    )
    await backend.post(person, title=SECRET, body=SECRET)
    await backend.post(person, title=SECRET, body=SECRET, validation_status=PostStatus.APPROVED)
    await pay(backend, person, friend, "1", note=SECRET)
    await pay(backend, friend, person, "2", note=SECRET)
    await settle(backend, admin, await held(backend, person, "3", key="withdrawal"), FAILED, SECRET)
    return person, friend


async def test_no_text_of_an_erased_person_is_left_and_every_cent_is(
    backend: PostgresBackend, database: Database
) -> None:
    person, friend = await _everywhere(backend, database)
    amounts = "select user_id, version, amount, balance_after from public.wallet_transactions order by 1, 2"
    before = await database.fetch(amounts)
    await backend.has_account_status(person, AccountStatus.DELETED)

    await erase(database.migrator, person.user_id)

    assert [row["place"] for row in await database.fetch(TEXTS) if SECRET in row["t"]] == []
    assert await database.fetch(amounts) == before
    assert await proven(database) == []
    assert (await pay(backend, friend, person, "2", note=SECRET)).replayed
    erased = [entry for entry in await backend.audit() if entry.action is AuditAction.USER_ERASED]
    assert [(entry.target_id, entry.actor_id, entry.operator) for entry in erased] == [
        (person.user_id, None, MIGRATOR)
    ]


async def test_the_text_of_others_stays(backend: PostgresBackend, database: Database) -> None:
    person, friend = await _everywhere(backend, database)
    third = await backend.user()
    await pay(backend, friend, third, "1", key="third", note="keep me")
    await backend.has_account_status(person, AccountStatus.DELETED)

    await erase(database.migrator, person.user_id)

    [received] = await backend.ledger(third)
    assert received.note == "keep me"


async def test_a_banned_persons_posts_are_erased_too(backend: PostgresBackend, database: Database) -> None:
    person, _ = await _everywhere(backend, database)
    await backend.has_account_status(person, AccountStatus.BANNED)
    await backend.has_account_status(person, AccountStatus.DELETED)

    await erase(database.migrator, person.user_id)

    assert [row["place"] for row in await database.fetch(TEXTS) if SECRET in row["t"]] == []


async def test_a_living_account_is_not_erased(backend: PostgresBackend, database: Database) -> None:
    person, _ = await _everywhere(backend, database)

    with pytest.raises(NotDone, match="still has an Auth account"):
        await erase(database.migrator, person.user_id)

    [_, sent, *_] = await backend.ledger(person)
    assert sent.note == SECRET


async def test_nobody_is_erased_by_a_typing_mistake(backend: PostgresBackend, database: Database) -> None:
    with pytest.raises(NotDone, match="Nothing is known"):
        await erase(database.migrator, uuid4())
    assert await backend.audit() == []


async def test_an_erased_persons_wallet_stays_frozen(backend: PostgresBackend, database: Database) -> None:
    person, friend = await _everywhere(backend, database)
    await backend.has_account_status(person, AccountStatus.DELETED)
    await erase(database.migrator, person.user_id)

    with pytest.raises(UserNotFound):
        await pay(backend, friend, person, "1", key="too late")
