"""Nothing that is printed holds a secret: not whole, not encoded, not in part."""

import base64
import json
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infrastructure.redaction import MASK, WINDOW, Redactor, secrets_of

PASSWORD = "c0rrect:h0rse/b@ttery staple#42"
KEY = "sb_secret_Yd8sK2lQp0Vn3xTz"
SECRETS = Redactor([PASSWORD, KEY])


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        quote(PASSWORD, safe=""),
        quote(PASSWORD),
        json.dumps(PASSWORD)[1:-1],
        repr(PASSWORD)[1:-1],
        base64.b64encode(PASSWORD.encode()).decode(),
    ],
)
def test_a_secret_is_masked_in_every_form(form: str) -> None:
    said = SECRETS.thorough(f'{{"event":"it was {form} that failed"}}')

    assert MASK in said
    assert all(form[place : place + WINDOW] not in said for place in range(len(form) - WINDOW + 1))


@pytest.mark.parametrize("before", ["", "x", "xy", "lingualink_api:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_behind_something_else_is_masked_in_base64(
    before: str, encode: Callable[[bytes], bytes]
) -> None:
    encoded = encode(f"{before}{PASSWORD}".encode()).decode()
    said = SECRETS.thorough(encoded)

    its_own = encoded[(len(before) + 2) // 3 * 4 :].rstrip("=")[:-2]
    assert MASK in said
    assert not any(its_own[place : place + 6] in said for place in range(len(its_own) - 5))


@given(place=st.integers(0, len(KEY) - WINDOW), length=st.integers(WINDOW, len(KEY)))
def test_a_part_of_a_secret_is_masked(place: int, length: int) -> None:
    part = KEY[place : place + length]

    assert KEY[place : place + WINDOW] not in SECRETS.thorough(f"could not parse '{part}', sorry")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("dsn postgresql://me:hunter22@db:5432/x failed", "hunter22"),
        ("dsn postgres://me:hun/ter@22@db/x failed", "hun/ter@22"),
        ("redis://:hunter22@cache:6379", "hunter22"),
        ("https://example.org:443/?next=postgres://me:hunter22@db", "hunter22"),
        ("Authorization: Bearer 0123456789abcdef", "0123456789abcdef"),
        ('{"authorization":"bearer abc.def.ghi-jkl"}', "abc.def.ghi-jkl"),
        ("token eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln was refused", "eyJzdWIiOiJ4In0"),
        ("half a token: eyJhbGciOiJFUzI1NiIsInR5cCI6", "eyJhbGciOiJFUzI1NiIsInR5cCI6"),
        ("key sb_secret_of_somebody-else here", "of_somebody-else"),
        ("password=hunter22&x=1", "hunter22"),
    ],
)
def test_what_looks_like_a_secret_is_masked_whoever_it_belongs_to(text: str, hidden: str) -> None:
    said = Redactor().thorough(text)

    assert hidden not in said
    assert MASK in said


def test_what_is_no_secret_stays_as_it_is() -> None:
    text = '{"event":"request","path":"/wallet","process":"lingualink/0.1.0 host:12","url":"https://x.supabase.co/auth"}'

    assert SECRETS.thorough(text) == text


@pytest.mark.parametrize(
    "address", ["postgres://me:@db/x", "https://x.org:443/", "://@:", "@://a:b", "a@b://c"]
)
def test_an_address_without_a_password_stays_as_it_is(address: str) -> None:
    assert Redactor()(address) == address


LONG = 64 * 1024
CALLERS_WRITE = {
    "letters before an address": "a" * LONG + "!://x",
    "addresses": "a://b:" * (LONG // 6),
    "addresses with a host": "a://b:" * (LONG // 6) + "@",
    "long schemes": ("a" * 50 + "://:") * (LONG // 54),
    "a long user": "://" + "a" * LONG + "@",
    "tokens": "eyJaaaaaaaa." * (LONG // 12),
    "bearers": "bearer " * (LONG // 7),
    "blanks behind a bearer": "bearer" + " " * LONG,
    "keys": "sb_secret_" * (LONG // 10),
    "parameters": "password=" * (LONG // 9),
}


@pytest.mark.parametrize("name", CALLERS_WRITE)
def test_whatever_a_caller_writes_takes_no_more_time_than_its_length(name: str) -> None:
    """A request's path is masked in its line of the log: what takes a second there stops everybody."""
    began = time.thread_time()
    SECRETS.thorough(CALLERS_WRITE[name])

    assert time.thread_time() - began < 1


@pytest.mark.parametrize("secret", ["pass", "x", ""])
def test_a_secret_too_short_to_be_one_masks_nothing(secret: str) -> None:
    assert Redactor([secret]).thorough("x passes the password") == "x passes the password"


@example("0", "\\0000\x7f", "")
@example("\x00", "000000", "")
@example("\x00", "00000000000", "")
@example('"', "hunter22", '"')
@example("", "hunter22\\", '"')
@example("", "hunter22\\", "\\")
@given(st.text(min_size=1), st.text(min_size=6), st.text())
def test_an_encoded_line_stays_json(before: str, secret: str, after: str) -> None:
    line = json.dumps({"event": before, "error": f"{before}{secret}{after}"}, ensure_ascii=False)

    assert set(json.loads(Redactor([secret]).thorough(line))) <= {"event", "error", MASK} | {"event", "error"}


@pytest.mark.parametrize(
    ("variable", "value", "secret"),
    [
        ("DATABASE_URL", "postgresql://me:[hu/nt@er22]@db:5432/x", "hu/nt@er22"),
        ("MIGRATION_DATABASE_URL", "postgresql://me:hunter%2022@db:5432/x", "hunter%2022"),
        ("SUPABASE_SECRET_KEY", "sb_secret_x\u00a0", "sb_secret_x"),
        ("SUPABASE_JWT_SECRET", " hunter22 ", "hunter22"),
        ("LINGUALINK_RATE_LIMIT_URL", "redis://:hunter22@cache", "hunter22"),
    ],
)
def test_what_the_environment_holds_is_known_even_where_it_is_malformed(
    variable: str, value: str, secret: str
) -> None:
    assert secret in secrets_of({variable: value})
