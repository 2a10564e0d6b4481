"""What an adoption would have to guess, or to change of the app's, stops it before it changes anything."""

import pytest

from database.adoptees import KINDS, adopt, adoptee, command, dumped
from devstack.adoptee import LINGUALINK
from devstack.postgres import LocalPostgres
from support.database import Database

QUICKSTART = KINDS["quickstart"]
UUIDS = LINGUALINK.replace(":id", "uuid")
OBSTACLES = {
    "no profiles": ("create table public.voice_clips (id uuid primary key)", "no_profiles public.profiles"),
    "profiles are a view": (
        "create view public.profiles as select gen_random_uuid() as id",
        "not_a_table public.profiles",
    ),
    "ids twice": (
        "create table public.profiles (id uuid, username text)",
        "id_not_unique public.profiles.id",
    ),
    "a number for an id": ("create table public.profiles (id bigint primary key)", "type public.profiles.id"),
    "roles that are an enumeration": (
        (
            "create type public.rank as enum ('low', 'high'); "
            "create table public.profiles (id uuid primary key, role public.rank)"
        ),
        "type public.profiles.role",
    ),
    "times without a zone": (
        "create table public.profiles (id uuid primary key, created_at timestamp)",
        "type public.profiles.created_at",
    ),
    "roles with a check of their own": (
        "create table public.profiles (id uuid primary key, role text check (role in ('teacher', 'student')))",
        "role_check public.profiles.role",
    ),
    "somebody else's wallets": (
        QUICKSTART + "; create table public.wallets (id int)",
        "name_taken public.wallets",
    ),
    "somebody else's audit log": (
        QUICKSTART + "; create schema private; create table private.audit_log (id int)",
        "name_taken private.audit_log",
    ),
    "posts beside clips": (UUIDS + "; create table public.posts (id uuid)", "two_sources public.posts"),
    "two spellings of one id": (
        LINGUALINK.replace(":id", "text")
        + "; insert into public.profiles (id) values ('C0000000-0000-4000-8000-000000000003')",
        "id_twice public.profiles.id",
    ),
    "a clip that is voice and video": (
        UUIDS + "; insert into public.video_clips (id) select id from public.voice_clips limit 1",
        "id_twice public.voice_clips.id",
    ),
    "clips without a status": (
        UUIDS + "; alter table public.video_clips drop column status",
        "type public.video_clips.status",
    ),
    "a type of transactions that it would not take": (
        UUIDS + "; alter table public.transactions add constraint mild check (type <> 'penalty') not valid",
        "mirror_refused public.transactions.type",
    ),
    "transactions that need more": (
        (
            UUIDS + "; alter table public.transactions add currency text not null default 'USD'; "
            "alter table public.transactions alter currency drop default"
        ),
        "mirror_refused public.transactions.currency",
    ),
    **{
        f"transactions that {what}": (
            f"{UUIDS}; delete from public.transactions; alter table public.transactions {change}",
            obstacle,
        )
        for what, change, obstacle in (
            (
                "say what for",
                "alter description set not null",
                "mirror_refused public.transactions.description",
            ),
            (
                "name something",
                "alter reference_id set not null",
                "mirror_refused public.transactions.reference_id",
            ),
            (
                "know no debt",
                "add constraint up check (amount > 0)",
                "mirror_refused public.transactions.amount",
            ),
            (
                "go one way each",
                "add constraint signed check ((amount < 0) = (type in ('withdrawal', 'fund_lock')))",
                "mirror_refused public.transactions",
            ),
            (
                "take short words",
                "alter description type varchar(99)",
                "not_checked public.transactions",
            ),
            ("take small sums", "alter amount type numeric(7, 2)", "not_checked public.transactions"),
            (
                "refer to clips",
                "add foreign key (reference_id) references public.voice_clips (id)",
                "mirror_refused public.transactions.reference_id",
            ),
            ("are few", "add unique (user_id, type)", "mirror_refused public.transactions"),
        )
    },
    "clips whose status is a number": (
        (
            UUIDS + "; alter table public.video_clips alter status drop default, "
            "alter status type int using null"
        ),
        "type public.video_clips.status",
    ),
    "clips whose status is another word": (
        UUIDS
        + "; alter table public.video_clips add constraint known check (status <> 'rejected') not valid",
        "status_check public.video_clips.status",
    ),
    "a clip of nobody's id": (
        LINGUALINK.replace(":id", "text")
        + "; alter table public.voice_clips drop constraint voice_clips_user_id_fkey; "
        + "insert into public.voice_clips (user_id) values ('user_2abcClerk')",
        "id_no_uuid public.voice_clips.user_id",
    ),
}


def assert_stopped(database: Database, obstacle: str) -> None:
    before = dumped(database)

    ran = adopt(database)

    assert (ran.exit_code, ran.stderr.splitlines()[0]) == (
        1,
        "Error: The database was not touched: what is listed above stands in the way.",
    )
    assert f"stops {obstacle}: " in ran.stdout
    assert f"stops {obstacle}: " in command(database, "adopt", "--dry-run").stdout
    assert dumped(database) == before


@pytest.mark.parametrize("name", OBSTACLES)
def test_it_stops_at(cluster: LocalPostgres, name: str) -> None:
    script, obstacle = OBSTACLES[name]
    with adoptee(cluster, script) as database:
        assert_stopped(database, obstacle)


def test_it_stops_at_profiles_of_another_role(cluster: LocalPostgres) -> None:
    with adoptee(cluster, QUICKSTART) as database:
        database.run("alter table public.profiles owner to supabase_auth_admin")
        assert_stopped(database, "not_owner public.profiles")


def test_an_empty_project_and_one_of_the_migrations_own_have_nothing_to_adopt(
    cluster: LocalPostgres, database: Database
) -> None:
    with adoptee(cluster) as empty:
        told = [adopt(one) for one in (empty, database)]

    assert [(ran.exit_code, ran.stderr.splitlines()[0]) for ran in told] == [
        (1, "Error: There is nothing to take over.")
    ] * 2
    assert "`lingualink migrate` is the way" in told[0].stderr
