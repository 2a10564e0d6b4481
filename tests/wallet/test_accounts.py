"""Accounts on a ``profiles`` table to which the app has added its own rules, as Supabase's quickstart does."""

import asyncio

import pytest
from structlog.testing import capture_logs

from application.ports import PageRequest
from application.profile import ReadProfile
from application.vault.posts import ValidatePost
from application.wallet.reading import ReadWallet, TransactionFilter
from contract.backend import PostgresBackend
from contract.test_transfers import pay
from domain.audit import RequestInfo
from domain.errors import SessionRevoked, Unavailable
from domain.identity import AccountStatus, DisplayFields, Role
from domain.posts import Decision, PostStatus
from infrastructure.postgres.accounts import _tell
from support.database import Database
from support.logs import of_this_thread

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ("add constraint app_username unique (username)", "alex"),
        ("add constraint app_username check (char_length(username) >= 5)", "al"),
        ("alter column username type varchar(3)", "alexander"),
    ],
)
async def test_an_account_is_made_without_the_name_that_the_app_refuses(
    backend: PostgresBackend, database: Database, rule: str, refused: str
) -> None:
    await database.fetch(f"alter table public.profiles {rule}")
    await backend.user()
    first, second = [await backend.newcomer(DisplayFields(refused)) for _ in range(2)]

    profiles = [await ReadProfile(backend.accounts)(person) for person in (first, second)]

    assert profiles[1]["username"] is None
    assert all(profile["balance"] == "0.00" for profile in profiles)


async def test_a_name_that_is_refused_does_not_stop_a_payment_or_the_vault(
    backend: PostgresBackend, database: Database
) -> None:
    await database.fetch("alter table public.profiles add constraint app_username unique (username)")
    sender = await backend.user(balance="5.00")
    await backend.accounts.open(await backend.newcomer(DisplayFields("alex")))
    second = await backend.newcomer(DisplayFields("alex"))
    await backend.accounts.open(second)

    await pay(backend, sender, second, "1")

    assert str((await backend.wallet(second)).balance) == "1.00"


async def test_an_author_who_never_came_gets_a_wallet_when_a_post_of_theirs_is_paid_for(
    backend: PostgresBackend, database: Database
) -> None:
    author, moderator = await backend.newcomer(), await backend.user(Role.MODERATOR)
    wallets = "select balance::text from public.wallets where user_id = $1"

    async def approve() -> None:
        post = await backend.post(author)
        decision = Decision(PostStatus.APPROVED, None, post.version)
        await ValidatePost(backend.transactions)(
            moderator, post.id, decision, RequestInfo("request", "192.0.2.1")
        )

    await approve()
    assert await database.fetch(wallets, author.user_id) == []
    await backend.rate("2.50")
    await approve()
    assert [row["balance"] for row in await database.fetch(wallets, author.user_id)] == ["2.5000"]


async def test_two_first_requests_at_once_with_a_taken_name_make_one_account(
    backend: PostgresBackend, database: Database
) -> None:
    await database.fetch("alter table public.profiles add constraint app_username unique (username)")
    await backend.accounts.open(await backend.newcomer(DisplayFields("alex")))
    second = await backend.newcomer(DisplayFields("alex"))

    found = await asyncio.gather(*(ReadProfile(backend.accounts)(second) for _ in range(8)))

    assert {str(profile["id"]) for profile in found} == {str(second.user_id)}


async def test_a_column_that_the_app_requires_breaks_nobody_who_is_there_and_is_named_once(
    backend: PostgresBackend, database: Database
) -> None:
    there, other, idle = await backend.user(balance="5.00"), await backend.user(), await backend.user()
    await database.fetch("alter table public.profiles add column country text")
    await database.fetch("update public.profiles set country = 'RW'")
    await database.fetch("alter table public.profiles alter column country set not null")
    newcomers = [await backend.newcomer(DisplayFields("alex")) for _ in range(2)]
    _tell.cache_clear()

    with capture_logs(processors=[of_this_thread()]) as logs:
        for newcomer in newcomers:
            with pytest.raises(Unavailable):
                await ReadProfile(backend.accounts)(newcomer)
    wallet = ReadWallet(backend.accounts, backend.wallets)
    empty = await wallet.transactions(idle, TransactionFilter(), PageRequest(1))
    await pay(backend, there, other, "1")

    assert (list(empty.items), empty.next_after) == ([], None)
    assert (await ReadProfile(backend.accounts)(there))["balance"] == "4.00"
    assert [(entry["event"], entry["column"]) for entry in logs] == [("account.refused", "country")]


@pytest.mark.parametrize("cascading", [False, True])
async def test_a_deleted_user_gets_no_account_whatever_their_token_says(
    backend: PostgresBackend, database: Database, cascading: bool
) -> None:
    if cascading:
        await database.fetch(
            "alter table public.profiles add foreign key (id) references auth.users on delete cascade"
        )
    person = await backend.user(Role.USER)
    await backend.has_account_status(person, AccountStatus.DELETED)

    with pytest.raises(SessionRevoked):
        await ReadProfile(backend.accounts)(person)

    [left] = await database.fetch("select count(*) from public.profiles where id::uuid = $1", person.user_id)
    assert left[0] == (0 if cascading else 1)


async def test_the_wallet_of_nobody_is_made_only_with_the_profile(
    backend: PostgresBackend, database: Database
) -> None:
    await database.fetch("alter table public.profiles add column country text not null")
    newcomer = await backend.newcomer()

    with pytest.raises(Unavailable):
        await backend.accounts.open(newcomer)

    assert not await backend.has_account(newcomer)
