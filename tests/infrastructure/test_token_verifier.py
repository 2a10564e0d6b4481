"""The verifier answers the same with its memory and without, says nothing of a token, and follows the keys."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from application.ports import TokenVerifier
from domain.errors import DomainError, ExpiredToken, InvalidToken, Unavailable
from infrastructure.supabase.claims import RejectionReason, TokenRules
from infrastructure.supabase.jwks import KeySet, SigningKey, parse_jwks
from infrastructure.supabase.jwks_client import JwksClient
from infrastructure.supabase.verifier import SupabaseTokenVerifier, token_verifier
from support.clock import Clock
from support.hostile_tokens import Maker, rows
from support.key_server import FixedKeys, KeyServer, answer, document
from support.logs import of_this_thread
from support.minting import MISSING, KeyMaterial, as_json, ec_jwk, es256, hs, rs256

pytestmark = pytest.mark.anyio

ISSUER = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
SUBJECT, SESSION = UUID(int=1), UUID(int=2)
NOW = int(time.time())
MATERIAL = KeyMaterial.fresh()
MAKE = Maker(ISSUER, MATERIAL, SUBJECT, SESSION, NOW)
ROWS = [row for row in rows(ISSUER, MATERIAL, subject=SUBJECT, session=SESSION, now=NOW) if not row.http_only]
RULES = TokenRules(frozenset({ISSUER}))
KEYS = parse_jwks(as_json(MATERIAL.jwks()))


class Counted(dict[str, SigningKey]):
    """Keys that count how often one was looked for: once for each signature that is verified."""

    searches = 0

    def get(self, *arguments: Any) -> Any:
        self.searches += 1
        return super().get(*arguments)


def counted() -> tuple[Counted, KeySet]:
    by_id = Counted(KEYS.by_id)
    return by_id, KeySet(by_id)


@dataclass
class Observed:
    """What was counted, in its order."""

    verified: list[str] = field(default_factory=list)
    rejected: list[RejectionReason] = field(default_factory=list)

    def token_verified(self, algorithm: str) -> None:
        self.verified.append(algorithm)

    def token_rejected(self, reason: RejectionReason) -> None:
        self.rejected.append(reason)


async def outcome(verifier: TokenVerifier, token: str) -> object:
    try:
        return await verifier.verify(token)
    except DomainError as error:
        return error.code


@pytest.fixture
def clock() -> Clock:
    return Clock(float(NOW))


async def test_the_memory_changes_no_answer_of_the_whole_table() -> None:
    remembering = SupabaseTokenVerifier(FixedKeys(KEYS), RULES, now=lambda: NOW)
    forgetting = SupabaseTokenVerifier(FixedKeys(KEYS), RULES, now=lambda: NOW, remember=0)
    for _ in range(2):
        for row in ROWS:
            answers = [await outcome(verifier, row.token) for verifier in (remembering, forgetting)]
            assert answers[0] == answers[1], row.name
            assert (answers[0] if row.code else None) == row.code, row.name


async def test_the_memory_changes_no_answer_as_time_goes_by(clock: Clock) -> None:
    remembering = SupabaseTokenVerifier(FixedKeys(KEYS), RULES, now=clock)
    forgetting = SupabaseTokenVerifier(FixedKeys(KEYS), RULES, now=clock, remember=0)
    tokens = [
        MAKE.claiming(exp=NOW + 60),
        MAKE.claiming(exp=NOW + 60.5),
        MAKE.claiming(exp=NOW + 60, iat=MISSING, nbf=NOW + 20),
        MAKE.claiming(exp=NOW + 600, iat=MISSING, nbf=NOW),
        MAKE.claiming(exp=NOW + 600, iat=MISSING),
    ]
    seen = set()
    for seconds in (0, 0, 30, 30, 29.9, 0.1, 0.4, 0.1, 500, -600, -31, -30, 700):
        clock.advance(seconds)
        for token in tokens:
            answers = [await outcome(verifier, token) for verifier in (remembering, forgetting)]
            assert answers[0] == answers[1]
            seen.add(answers[0] if isinstance(answers[0], str) else "good")
    assert seen == {"good", "invalid_token", "expired_token"}


async def test_a_token_is_verified_once_and_its_time_always(clock: Clock) -> None:
    by_id, keys = counted()
    verifier = SupabaseTokenVerifier(FixedKeys(keys), RULES, now=clock)
    token = MAKE.claiming()
    for _ in range(10):
        await verifier.verify(token)
    assert by_id.searches == 1
    clock.advance(3600 + 29)
    await verifier.verify(token)
    assert by_id.searches == 1
    clock.advance(1)
    with pytest.raises(ExpiredToken):
        await verifier.verify(token)
    assert len(verifier._verified) == 0


async def test_the_memory_holds_the_tokens_used_last_and_no_more() -> None:
    by_id, keys = counted()
    verifier = SupabaseTokenVerifier(FixedKeys(keys), RULES, now=lambda: NOW, remember=2)
    first, second, third = (MAKE.claiming(session_id=str(uuid4())) for _ in range(3))
    for token in (first, second, first, third, first):
        await verifier.verify(token)
    assert by_id.searches == 3
    await verifier.verify(second)
    assert by_id.searches == 4
    assert len(verifier._verified) == 2


async def test_refused_tokens_are_not_remembered() -> None:
    verifier = SupabaseTokenVerifier(FixedKeys(KEYS), RULES, now=lambda: NOW)
    for row in ROWS:
        if row.code is not None:
            await outcome(verifier, row.token)
    assert len(verifier._verified) == 0


async def test_the_reason_is_logged_and_counted_once_and_nothing_of_the_token_is(clock: Clock) -> None:
    observed = Observed()
    verifier = SupabaseTokenVerifier(FixedKeys(KEYS), RULES, now=clock, observer=observed)
    for row in ROWS:
        with capture_logs(processors=[of_this_thread()]) as logs:
            await outcome(verifier, row.token)
        reasons = [] if row.reason is None else [row.reason.value]
        assert [entry["reason"] for entry in logs] == reasons, row.name
        assert all(set(entry) == {"event", "log_level", "reason"} for entry in logs)
    assert observed.rejected == [row.reason for row in ROWS if row.reason is not None]


async def test_a_good_token_is_counted_once_by_its_algorithm(clock: Clock) -> None:
    observed = Observed()
    verifier = SupabaseTokenVerifier(FixedKeys(KEYS), RULES, now=clock, observer=observed)
    rsa = MAKE.headed(rs256(MATERIAL.rsa_private), alg="RS256", kid=MATERIAL.rsa_id)
    for token in (MAKE.claiming(), rsa, rsa):
        await verifier.verify(token)
    assert observed.verified == ["ES256", "RS256"]


async def test_the_caller_is_told_no_reason() -> None:
    verifier = SupabaseTokenVerifier(FixedKeys(KEYS), RULES, now=lambda: NOW)
    with pytest.raises(InvalidToken) as refusal:
        await verifier.verify(MAKE.claiming(iss="https://evil.example/auth/v1"))
    assert str(refusal.value) == InvalidToken.detail
    assert refusal.value.__cause__ is None


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with KeyServer(document(MATERIAL.jwks())).running() as server:
        yield server


@pytest.fixture
async def source(server: KeyServer, clock: Clock) -> AsyncIterator[JwksClient]:
    source = JwksClient(server.url, clock=clock)
    yield source
    await source.aclose()


async def test_without_keys_every_token_is_unavailable_and_the_first_probe_after_finds_them(
    server: KeyServer, source: JwksClient, clock: Clock
) -> None:
    verifier = SupabaseTokenVerifier(source, RULES, now=clock)
    server.now = answer(b"", "500 Internal Server Error")
    assert not await verifier.prepare()
    assert not source.known
    for token in (MAKE.claiming(), "garbage"):
        with pytest.raises(Unavailable):
            await verifier.verify(token)
    server.now = document(MATERIAL.jwks())
    clock.advance(2)
    assert await verifier.prepare()
    assert source.known
    assert (await verifier.verify(MAKE.claiming())).user_id == SUBJECT


async def test_a_rotated_key_is_good_at_first_sight_and_a_withdrawn_one_is_not_remembered(
    server: KeyServer, source: JwksClient, clock: Clock
) -> None:
    verifier = SupabaseTokenVerifier(source, RULES, now=clock)
    old = MAKE.claiming(exp=NOW + 7200)
    await verifier.verify(old)
    new = MAKE.headed(es256(MATERIAL.stranger), kid="new")
    server.now = document({"keys": [ec_jwk(MATERIAL.stranger, "new")]})
    assert (await verifier.verify(new)).user_id == SUBJECT
    with pytest.raises(InvalidToken):
        await verifier.verify(old)


async def test_a_storm_of_hostile_tokens_costs_one_fetch(
    server: KeyServer, source: JwksClient, clock: Clock
) -> None:
    verifier = SupabaseTokenVerifier(source, RULES, now=clock)
    await verifier.prepare()
    await asyncio.gather(*(outcome(verifier, row.token) for row in ROWS for _ in range(3)))
    assert server.requests == 2


async def test_only_an_unknown_key_makes_us_ask(server: KeyServer, source: JwksClient, clock: Clock) -> None:
    verifier = SupabaseTokenVerifier(source, RULES, now=clock)
    for row in ROWS:
        if row.reason is not RejectionReason.KEY_UNKNOWN:
            await outcome(verifier, row.token)
    assert server.requests == 1


async def test_keys_that_got_too_old_end_what_was_remembered(
    server: KeyServer, source: JwksClient, clock: Clock
) -> None:
    verifier = SupabaseTokenVerifier(source, RULES, now=clock)
    token = MAKE.claiming(exp=NOW + 10 * 86_400)
    await verifier.verify(token)
    server.now = answer(b"", "500 Internal Server Error")
    clock.advance(23 * 3600)
    await verifier.verify(token)
    clock.advance(3600)
    with pytest.raises(Unavailable):
        await verifier.verify(token)


@pytest.mark.parametrize("published", [True, False], ids=["keys published", "none yet"])
async def test_a_move_to_signing_keys_is_noticed_by_nobody(server: KeyServer, *, published: bool) -> None:
    secret = "a secret that only this test knows, and nobody else"
    old = MAKE.headed(hs(secret.encode()), alg="HS256", kid=MISSING)
    verifier = token_verifier(RULES, jwks_url=server.url, jwt_secret=secret)
    if not published:
        server.now = document({"keys": []})
        assert await outcome(verifier, old) == await verifier.verify(old)
        assert await outcome(verifier, MAKE.claiming()) == "invalid_token"
        server.now = document(MATERIAL.jwks())
        verifier._source._asked_for_at = float("-inf")  # ten seconds later
    for token in (MAKE.claiming(), old, MAKE.claiming()):
        assert (await verifier.verify(token)).user_id == SUBJECT
    assert await outcome(verifier, MAKE.headed(hs(b"x" * 40), alg="HS256", kid="k")) == "invalid_token"
    await verifier.aclose()


async def test_without_a_secret_no_hs256_token_is_good(server: KeyServer) -> None:
    old = MAKE.headed(hs(b"a secret that only this test knows, and nobody else"), alg="HS256", kid=MISSING)
    verifier = token_verifier(RULES, jwks_url=server.url)
    assert await outcome(verifier, old) == "invalid_token"
    assert (await verifier.verify(MAKE.claiming())).user_id == SUBJECT
    await verifier.aclose()


async def test_a_revoked_key_is_dead_with_the_first_answer_that_does_not_hold_it(
    server: KeyServer, source: JwksClient, clock: Clock
) -> None:
    verifier = SupabaseTokenVerifier(source, RULES, now=clock)
    token = MAKE.claiming(exp=NOW + 86_400)
    await verifier.verify(token)
    server.now = document({"keys": []})
    clock.advance(600)
    with pytest.raises(InvalidToken):
        await verifier.verify(token)
    assert not await verifier.prepare()


async def test_a_public_secret_or_an_address_in_the_clear_never_makes_a_verifier() -> None:
    with pytest.raises(ValueError, match="publicly known"):
        token_verifier(
            RULES,
            jwks_url="https://x.example/keys",
            jwt_secret="super-secret-jwt-token-with-at-least-32-characters-long",
        )
    with pytest.raises(ValueError, match="https"):
        token_verifier(RULES, jwks_url="http://x.example/keys")
