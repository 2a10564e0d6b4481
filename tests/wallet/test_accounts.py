"""Accounts on a ``profiles`` table to which the app has added its own rules, as Supabase's quickstart does."""

import asyncio

import pytest
from structlog.testing import capture_logs

from application.profile import ReadProfile
from application.wallet.reading import ReadWallet, TransactionFilter
from contract.test_transfers import pay
from contract.world import PostgresWorld
from domain.errors import SessionRevoked, Unavailable
from domain.identity import AccountStatus, DisplayFields, Role
from infrastructure.postgres.accounts import _tell
from support.database import Database

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
    world: PostgresWorld, database: Database, rule: str, refused: str
) -> None:
    await database.fetch(f"alter table public.profiles {rule}")
    await world.user()
    first, second = [await world.newcomer(DisplayFields(refused)) for _ in range(2)]

    profiles = [await ReadProfile(world.accounts)(person) for person in (first, second)]

    assert profiles[1]["username"] is None
    assert all(profile["balance"] == "0.00" for profile in profiles)


async def test_a_name_that_is_refused_does_not_stop_a_payment_or_the_vault(
    world: PostgresWorld, database: Database
) -> None:
    await database.fetch("alter table public.profiles add constraint app_username unique (username)")
    sender = await world.user(balance="5.00")
    await world.accounts.open(await world.newcomer(DisplayFields("alex")))
    second = await world.newcomer(DisplayFields("alex"))
    await world.accounts.open(second)

    await pay(world, sender, second, "1")

    assert str((await world.wallet(second)).balance) == "1.00"


async def test_two_first_requests_at_once_with_a_taken_name_make_one_account(
    world: PostgresWorld, database: Database
) -> None:
    await database.fetch("alter table public.profiles add constraint app_username unique (username)")
    await world.accounts.open(await world.newcomer(DisplayFields("alex")))
    second = await world.newcomer(DisplayFields("alex"))

    found = await asyncio.gather(*(ReadProfile(world.accounts)(second) for _ in range(8)))

    assert {str(profile["id"]) for profile in found} == {str(second.user_id)}


async def test_a_column_that_the_app_requires_breaks_nobody_who_is_there_and_is_named_once(
    world: PostgresWorld, database: Database
) -> None:
    there, other, idle = await world.user(balance="5.00"), await world.user(), await world.user()
    await database.fetch("alter table public.profiles add column country text")
    await database.fetch("update public.profiles set country = 'RW'")
    await database.fetch("alter table public.profiles alter column country set not null")
    newcomers = [await world.newcomer(DisplayFields("alex")) for _ in range(2)]
    _tell.cache_clear()

    with capture_logs() as logs:
        for newcomer in newcomers:
            with pytest.raises(Unavailable):
                await ReadProfile(world.accounts)(newcomer)
    wallet = ReadWallet(world.accounts, world.wallets)
    empty = await wallet.transactions(idle, TransactionFilter(), before_version=None, limit=1)
    await pay(world, there, other, "1")

    assert (list(empty.items), empty.next_after) == ([], None)
    assert (await ReadProfile(world.accounts)(there))["balance"] == "4.00"
    assert [(entry["event"], entry["column"]) for entry in logs] == [("account.refused", "country")]


@pytest.mark.parametrize("cascading", [False, True])
async def test_a_deleted_user_gets_no_account_whatever_their_token_says(
    world: PostgresWorld, database: Database, cascading: bool
) -> None:
    if cascading:
        await database.fetch(
            "alter table public.profiles add foreign key (id) references auth.users on delete cascade"
        )
    person = await world.user(Role.USER)
    await world.has_account_status(person, AccountStatus.DELETED)

    with pytest.raises(SessionRevoked):
        await ReadProfile(world.accounts)(person)

    [left] = await database.fetch("select count(*) from public.profiles where id = $1", person.user_id)
    assert left[0] == (0 if cascading else 1)


async def test_the_wallet_of_nobody_is_made_only_with_the_profile(
    world: PostgresWorld, database: Database
) -> None:
    await database.fetch("alter table public.profiles add column country text not null")
    newcomer = await world.newcomer()

    with pytest.raises(Unavailable):
        await world.accounts.open(newcomer)

    assert not await world.has_account(newcomer)
