"""A database address is read by libpq's grammar, or refused in words that hold nothing of it."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infrastructure.postgres.address import DatabaseAddress

AWAY = "postgresql://lingualink_api:hush@db.example.org/postgres"


def test_each_part_is_found() -> None:
    address = DatabaseAddress.parse(
        "postgres://lingualink_api.ref:a%23b%40c@POOLER.example.org:6543/post%20gres?sslmode=require&options=-c%20x%3D1"
    )

    assert address.hosts == (("pooler.example.org", 6543),)
    assert (address.user, address.password, address.database) == ("lingualink_api.ref", "a#b@c", "post gres")
    assert (address.sslmode, address.session) == ("require", {"options": "-c x=1"})
    assert address.has_transaction_port


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(user=TEXT, password=TEXT, database=TEXT)
def test_what_is_percent_encoded_comes_back_as_it_was(user: str, password: str, database: str) -> None:
    parts = [quote(part, safe="") for part in (user, password, database)]
    address = DatabaseAddress.parse("postgresql://{}:{}@db.example.org:5432/{}".format(*parts))

    assert (address.user, address.password, address.database) == (user, password, database)


def test_a_password_is_not_shown() -> None:
    assert "hush" not in repr(DatabaseAddress.parse(f"{AWAY}?sslpassword=hush"))


def read_with(password: str) -> DatabaseAddress | str:
    """What is read, or what is said."""
    try:
        return DatabaseAddress.parse(f"postgresql://me:{password}@db.example.org:5432/postgres")
    except ValueError as refused:
        return str(refused)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6))
@example("pa/ss@other.example.org")
@example("x@other.example.org/d?schema=secret")
@example("[real-password]")
def test_a_password_as_it_is_either_works_or_is_refused_without_a_word_of_it(password: str) -> None:
    read = read_with(password)

    if isinstance(read, str):
        assert password not in read
    else:
        assert (read.password, read.hosts) == (unquote(password), (("db.example.org", 5432),))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgresql://me:[hush]@db.example.org/d", "without the brackets"),
        ("postgresql://me:hu]sh@db.example.org/d", "bracket"),
        ("postgresql://me:hu/sh@db.example.org/d", "percent-encode the password"),
        ("postgresql://me:hu?sh@db.example.org/d", "percent-encode the password"),
        ("postgresql://me:hu#sh@db.example.org/d", "percent-encode the password"),
        ("postgresql://me:hu@sh@db.example.org/d", "percent-encode the password"),
        ("postgresql://me:hu%sh@db.example.org/d", "%25"),
        ("postgresql://me:h\u00fcsh@db.example.org/d", "ASCII"),
        ("postgresql://me:hu%ff@db.example.org/d", "UTF-8"),
        ("postgresql://me:hu%00@db.example.org/d", "NUL"),
        ("postgresql://me:hush@db.example.org:hush/d", "port"),
        ("postgresql://me:hush@db.example.org:65536/d", "port"),
        ("postgresql://me:hush@db.example.org:0/d", "port"),
        ("postgresql://me:hush@db_/d", "host"),
        ("postgresql://me:hush@[::1/d", "bracket"),
        ("postgresql://me:hush@db.example.org", "names no database"),
        ("postgresql://db.example.org/d", "names no user"),
        ("postgresql://me:hush@/d", "names no host"),
        ("postgresql+asyncpg://me:hush@db.example.org/d", "must begin with"),
        ("mysql://me:hush@db.example.org/d", "must begin with"),
        ("me:hush@db.example.org/d", "must begin with"),
        (f"{AWAY}?hush", "name=value"),
        (f"{AWAY}?sslmode=hush", "sslmode must be one of"),
        (f"{AWAY}?target_session_attrs=hush", "target_session_attrs must be one of"),
        (f"{AWAY}?sslmode=require&sslmode=require", "twice"),
        (f"{AWAY}?sslmod=hush", "nobody knows: sslmod"),
        (f"{AWAY}?host=a,b&port=1,2,3", "ports"),
    ],
)
def test_what_is_wrong_is_said_and_not_quoted(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        DatabaseAddress.parse(text)

    assert "hush" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "query",
    [
        "pgbouncer=true&connection_limit=1&pool_timeout=0&schema=public",
        "connect_timeout=10",
        "channel_binding=require&gssencmode=disable&keepalives_idle=30",
        "prepared_statements=false&statement_cache_size=0&supa=base-pooler.x",
    ],
)
def test_what_has_no_effect_is_known_by_name(query: str) -> None:
    address = DatabaseAddress.parse(f"{AWAY}?{query}&sslmode=require")

    assert address.ignored == tuple(pair.split("=")[0] for pair in query.split("&"))
    assert address.session == {}
    assert address.sslmode == "require"


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ("db.example.org", "verify-full"),
        ("10.0.0.5", "verify-full"),
        ("[2001:db8::5]", "verify-full"),
        ("localhost", "prefer"),
        ("127.0.0.1", "prefer"),
        ("[::1]", "prefer"),
        ("host.docker.internal", "prefer"),
        ("db", "prefer"),
        ("db,db.example.org", "verify-full"),
    ],
)
def test_tls_is_verified_wherever_the_database_is_off_this_machine(host: str, mode: str) -> None:
    address = DatabaseAddress.parse(f"postgresql://me:hush@{host}/d")

    assert address.sslmode == mode
    assert address.is_local is (mode == "prefer")


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_less_than_encryption_is_refused_off_this_machine(mode: str) -> None:
    with pytest.raises(ValueError, match="unencrypted"):
        DatabaseAddress.parse(f"{AWAY}?sslmode={mode}")

    assert DatabaseAddress.parse(f"postgresql://me@localhost/d?sslmode={mode}").sslmode == mode


def test_several_hosts_and_unix_sockets_are_addresses_too() -> None:
    several = DatabaseAddress.parse("postgresql://me:hush@a.example.org:6432,b.example.org/d")
    socket = DatabaseAddress.parse("postgresql:///d?host=/run/postgresql&port=6432&user=me")

    assert several.hosts == (("a.example.org", 6432), ("b.example.org", 5432))
    assert socket.hosts == (("/run/postgresql", 6432),)
    assert socket.is_local
