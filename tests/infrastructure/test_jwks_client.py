"""The keys stay known through whatever their endpoint does, and no caller can make us ask too often."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from domain.errors import Unavailable
from infrastructure.supabase.jwks import KeySet, shared_secret
from infrastructure.supabase.jwks_client import JwksClient, Schedule
from support.clock import Clock
from support.key_server import Answer, KeyServer, answer, document, endless, hang, raw, reset, trickle
from support.logs import of_this_thread
from support.minting import ec_jwk, ec_key

pytestmark = pytest.mark.anyio

OLD, NEW = ec_jwk(ec_key(), "old"), ec_jwk(ec_key(), "new")
PATIENT, SHORT = Schedule(timeout=30), Schedule(timeout=0.5)
MINUTE, HOUR = 60.0, 3600.0

NO_KEYS: dict[str, Answer] = {
    "an empty set": document({"keys": []}),
    "no usable key": document({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "old"}]}),
    "a key of another curve": document({"keys": [ec_jwk(ec_key(ec.SECP384R1()), "old", alg="ES384")]}),
}
"""Good answers, of which none says anything about a key of ours."""

FAULTS: dict[str, Answer] = {
    "error 500": answer(b"{}", "500 Internal Server Error"),
    "good keys with an error": document({"keys": [NEW]}, "503 Service Unavailable"),
    "not found": answer(b"not here", "404 Not Found"),
    "a partial answer": answer(b'{"keys":', "206 Partial Content"),
    "a hang": hang,
    "a trickle": trickle,
    "a reset": reset,
    "a body cut short": answer(b'{"keys": [', length=1000),
    "garbage": answer(b"<html>Please log in</html>"),
    "no HTTP at all": raw(b"220 mail.example.org ESMTP\r\n"),
    "an empty body": answer(b""),
    "another document": document({"message": "no"}),
    "a redirect": answer(b"", "302 Found", "Location: /elsewhere"),
    "a permanent redirect": answer(b"", "308 Permanent Redirect", "Location: http://127.0.0.1:1/"),
    "too much": document({"keys": [NEW], "padding": "x" * 70_000}),
    "without end": endless,
}


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with KeyServer(document({"keys": [OLD]})).running() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def keys(server: KeyServer, clock: Clock) -> AsyncIterator[JwksClient]:
    keys = JwksClient(server.url, schedule=PATIENT, clock=clock)
    yield keys
    await keys.aclose()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)


def turn(server: KeyServer, keys: JwksClient, answer: Answer) -> None:
    """From now on the endpoint says *answer*; only for one that never ends is the client impatient."""
    server.now = answer
    keys._schedule = SHORT if answer in (hang, trickle) else PATIENT


def ids(keys: KeySet) -> set[str]:
    return set(keys.by_id)


class Held:
    """An answer that waits for a word."""

    def __init__(self, then: Answer) -> None:
        self._then = then
        self.go = asyncio.Event()

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        await self.go.wait()
        await self._then(writer)


async def test_fifty_first_callers_cost_one_fetch(server: KeyServer, keys: JwksClient) -> None:
    assert not keys.known
    found = await asyncio.gather(*(keys.current() for _ in range(50)))
    assert {id(each) for each in found} == {id(found[0])}
    assert ids(found[0]) == {"old"}
    assert keys.known
    assert server.paths == ["/auth/v1/.well-known/jwks.json"]


async def test_fresh_keys_cost_nothing(server: KeyServer, keys: JwksClient, clock: Clock) -> None:
    await keys.current()
    clock.advance(7 * MINUTE)
    await keys.current()
    assert server.requests == 1


async def test_ageing_keys_are_fetched_again_while_nobody_waits(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    first = await keys.current()
    server.now = document({"keys": [OLD, NEW]})
    clock.advance(9 * MINUTE)
    assert await keys.current() is first
    await eventually(lambda: server.requests == 2)
    await eventually(lambda: keys._refresh_task is None)
    assert ids(await keys.current()) == {"old", "new"}
    assert server.requests == 2


async def test_after_a_quiet_hour_the_first_caller_waits_and_a_withdrawn_key_is_gone(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    await keys.current()
    server.now = document({"keys": [NEW]})
    clock.advance(HOUR)
    assert ids(await keys.current()) == {"new"}


async def test_the_same_keys_stay_the_same_object(server: KeyServer, keys: JwksClient, clock: Clock) -> None:
    first = await keys.current()
    server.now = document({"keys": [OLD | {"ext": False}]})
    clock.advance(HOUR)
    assert await keys.current() is first
    assert server.requests == 2


async def test_a_new_key_is_found_at_first_sight_even_right_after_a_fetch(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    first = await keys.current()
    server.now = document({"keys": [OLD, NEW]})
    clock.advance(0.5)
    assert ids(await keys.newer_than(first)) == {"old", "new"}


async def test_a_storm_of_unknown_key_ids_costs_one_fetch_in_ten_seconds(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    known = await keys.current()
    for elapsed, fetches in ((0.0, 2), (5.0, 2), (4.9, 2), (0.2, 3), (9.9, 3), (0.1, 4)):
        clock.advance(elapsed)
        for _ in range(3):
            found = await asyncio.gather(*(keys.newer_than(known) for _ in range(100)))
            assert all(each is known for each in found)
        assert server.requests == fetches


async def test_a_storm_during_an_outage_costs_no_more(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    known = await keys.current()
    server.now = FAULTS["error 500"]
    clock.advance(HOUR)
    for second in range(60):
        await asyncio.gather(*(keys.newer_than(known) for _ in range(20)))
        await eventually(lambda: keys._refresh_task is None)
        assert server.requests <= 1 + 1 + second // 10
        clock.advance(1)
    assert server.requests == 7


async def test_whoever_brings_an_older_set_gets_the_newer_one_without_a_fetch(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    older = await keys.current()
    server.now = document({"keys": [NEW]})
    clock.advance(HOUR)
    newer = await keys.current()
    assert await keys.newer_than(older) is newer
    assert server.requests == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_known_keys_survive_a_fault_for_a_day_and_no_longer(
    fault: Answer, server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    known = await keys.current()
    turn(server, keys, fault)
    for _ in range(3):
        clock.advance(7 * HOUR)
        assert await keys.current() is known
        assert await keys.newer_than(known) is known
    assert keys.known
    clock.advance(3 * HOUR)
    assert not keys.known
    with pytest.raises(Unavailable):
        await keys.current()
    turn(server, keys, document({"keys": [NEW]}))
    clock.advance(2)
    assert ids(await keys.current()) == {"new"}
    assert "/elsewhere" not in server.paths


@pytest.mark.parametrize("answered", NO_KEYS.values(), ids=NO_KEYS.keys())
async def test_a_good_answer_without_the_old_key_drops_it_whatever_else_it_holds(
    answered: Answer, server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    known = await keys.current()
    server.now = answered
    clock.advance(10 * MINUTE)
    assert ids(await keys.current()) == set()
    assert not keys.known
    assert ids(await keys.newer_than(known)) == set()
    server.now = document({"keys": [NEW]})
    clock.advance(10)
    assert ids(await keys.newer_than(await keys.current())) == {"new"}
    assert keys.known


COLD = FAULTS | NO_KEYS


@pytest.mark.parametrize("fault", COLD.values(), ids=COLD.keys())
async def test_a_cold_start_is_unavailable_until_the_endpoint_is_back(
    fault: Answer, server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    turn(server, keys, fault)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await keys.current()
    assert server.requests == 1
    turn(server, keys, document({"keys": [OLD]}))
    clock.advance(2)
    assert ids(await keys.current()) == {"old"}


SECRET = shared_secret("a secret that only this test knows, and nobody else", local_development=False)


@pytest.fixture
async def moving(server: KeyServer, clock: Clock) -> AsyncIterator[JwksClient]:
    """The keys of a project that moves from its secret to signing keys."""
    keys = JwksClient(server.url, secret=SECRET, schedule=PATIENT, clock=clock)
    yield keys
    await keys.aclose()


async def test_a_secret_is_good_at_once_and_stays_beside_what_is_published(
    server: KeyServer, moving: JwksClient
) -> None:
    assert moving.known
    alone = await moving.current()
    assert (ids(alone), alone.secret) == (set(), SECRET)
    await eventually(lambda: moving._refresh_task is None)
    both = await moving.current()
    assert (ids(both), both.secret) == ({"old"}, SECRET)
    assert await moving.current() is both
    assert server.requests == 1


async def test_a_published_key_is_waited_for_by_whoever_needs_one(
    server: KeyServer, moving: JwksClient
) -> None:
    server.now = held = Held(document({"keys": [NEW]}))
    asking = asyncio.create_task(moving.newer_than(await moving.current()))
    await eventually(lambda: server.requests == 1)
    held.go.set()
    assert ids(await asking) == {"new"}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_whatever_the_endpoint_does_the_secret_is_good_and_published_keys_are_unavailable(
    fault: Answer, server: KeyServer, moving: JwksClient
) -> None:
    turn(server, moving, fault)
    alone = await moving.current()
    assert moving._refresh_task is not None  # nobody waited for it
    assert alone.secret is SECRET
    with pytest.raises(Unavailable):
        await moving.newer_than(alone)
    assert server.requests == 1
    assert await moving.current() is alone


@pytest.mark.parametrize("answered", NO_KEYS.values(), ids=NO_KEYS.keys())
async def test_a_project_that_publishes_no_key_is_no_outage_while_it_has_a_secret(
    answered: Answer, server: KeyServer, moving: JwksClient
) -> None:
    server.now = answered
    with capture_logs(processors=[of_this_thread()]) as logs:
        assert ids(await moving.newer_than(await moving.current())) == set()
    assert moving.known
    assert [entry["event"] for entry in logs] == ["signing_keys_changed"]


async def test_the_secret_outlives_published_keys_that_got_too_old(
    server: KeyServer, moving: JwksClient, clock: Clock
) -> None:
    await moving.newer_than(await moving.current())
    server.now = FAULTS["error 500"]
    clock.advance(25 * HOUR)
    alone = await moving.current()
    assert (ids(alone), alone.secret) == (set(), SECRET)
    with pytest.raises(Unavailable):
        await moving.newer_than(alone)


async def test_a_refused_connection_is_an_outage_too(clock: Clock) -> None:
    async with KeyServer(hang).running() as gone:
        pass
    keys = JwksClient(gone.url, clock=clock)
    with pytest.raises(Unavailable):
        await keys.current()
    await keys.aclose()


async def test_during_a_hang_callers_with_known_keys_do_not_wait(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    known = await keys.current()
    turn(server, keys, hang)
    clock.advance(HOUR)
    await keys.current()
    keys._schedule = PATIENT
    for _ in range(20):
        clock.advance(MINUTE)
        assert await keys.current() is known
        assert keys._refresh_task is not None  # it is under way still


async def test_a_slow_endpoint_is_given_up_as_a_whole(server: KeyServer, keys: JwksClient) -> None:
    turn(server, keys, trickle)
    async with asyncio.timeout(30):  # of a quarter of an hour that it would take
        with pytest.raises(Unavailable):
            await keys.current()


async def test_one_fetch_is_under_way_at_a_time_however_long_it_takes(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    known = await keys.current()
    server.now = held = Held(document({"keys": [NEW]}))
    clock.advance(9 * MINUTE)
    await keys.current()
    await eventually(lambda: server.requests == 2)
    clock.advance(30)
    assert await keys.current() is known
    held.go.set()
    await eventually(lambda: keys._refresh_task is None)
    assert ids(await keys.current()) == {"new"}
    assert server.requests == 2


async def test_an_unknown_key_id_joins_a_fetch_under_way_and_may_still_ask_after_it(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    known = await keys.current()
    server.now = held = Held(document({"keys": [OLD]}))
    clock.advance(9 * MINUTE)
    await keys.current()
    asking = asyncio.create_task(keys.newer_than(known))
    await eventually(lambda: server.requests == 2)
    held.go.set()
    assert await asking is known
    server.now = document({"keys": [OLD, NEW]})
    assert ids(await keys.newer_than(known)) == {"old", "new"}
    assert server.requests == 3


async def test_after_a_failed_fetch_unknown_key_ids_wait_too(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    known = await keys.current()
    server.now = FAULTS["error 500"]
    clock.advance(HOUR)
    await keys.current()
    assert server.requests == 2
    clock.advance(9)
    await keys.newer_than(known)
    assert server.requests == 2
    clock.advance(1)
    await keys.newer_than(known)
    assert server.requests == 3


async def test_keys_are_as_old_as_the_question_not_as_the_answer(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    server.now = held = Held(document({"keys": [OLD]}))
    asking = asyncio.create_task(keys.current())
    await eventually(lambda: server.requests == 1)
    clock.advance(7 * MINUTE)
    held.go.set()
    await asking
    clock.advance(2 * MINUTE)
    await keys.current()
    await eventually(lambda: server.requests == 2)


async def test_a_caller_who_leaves_takes_nothing_from_the_others(server: KeyServer, keys: JwksClient) -> None:
    server.now = held = Held(document({"keys": [OLD]}))
    callers = [asyncio.create_task(keys.current()) for _ in range(5)]
    await eventually(lambda: server.requests == 1)
    for leaving in callers[:4]:
        leaving.cancel()
    results = await asyncio.gather(*callers[:4], return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    held.go.set()
    assert ids(await callers[4]) == {"old"}
    assert server.requests == 1


async def test_closing_ends_a_fetch_under_way_and_the_waiting_are_told(
    server: KeyServer, keys: JwksClient
) -> None:
    server.now = hang
    waiting = asyncio.create_task(keys.current())
    await eventually(lambda: server.requests == 1)
    await keys.aclose()
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await keys.current()
    assert server.requests == 1
    await keys.aclose()


async def test_a_closed_source_still_knows_what_it_knew(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    known = await keys.current()
    await keys.aclose()
    clock.advance(HOUR)
    with capture_logs(processors=[of_this_thread()]) as logs:
        assert await keys.current() is known
        assert await keys.newer_than(known) is known
    assert server.requests == 1
    assert logs == []


async def test_the_log_tells_of_changes_and_failures_and_blames_no_request(
    server: KeyServer, keys: JwksClient, clock: Clock
) -> None:
    with (
        capture_logs(processors=[of_this_thread(), merge_contextvars]) as logs,
        bound_contextvars(request_id="r"),
    ):
        await keys.current()
        server.now = FAULTS["a redirect"]
        clock.advance(HOUR)
        await keys.current()
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("signing_keys_changed", "info"),
        ("signing_keys_not_fetched", "warning"),
    ]
    assert logs[0]["key_ids"] == ["old"]
    assert logs[1]["detail"] == "status 302"
    assert all("request_id" not in entry for entry in logs)


@pytest.mark.parametrize(
    "url",
    [
        "http://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json",
        "http://127.0.0.1.example.org/keys",
        "http://localhost.example.org/keys",
        "http://127.0.0.1@example.org/keys",
        "http://10.0.0.1/keys",
        "ftp://127.0.0.1/keys",
        "file:///etc/passwd",
        "",
    ],
)
async def test_keys_are_asked_for_in_the_clear_on_this_machine_only(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        JwksClient(url)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:54321/keys", "http://[::1]:1/keys", "http://kong:8000/keys", "https://x.example/keys"],
)
async def test_keys_are_asked_for_in_the_clear_where_settings_allow_it_too(url: str) -> None:
    await JwksClient(url).aclose()
