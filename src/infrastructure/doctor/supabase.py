"""Supabase beside the database: Auth's signing keys and issuer; and whether a message that the relay sends arrives."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

import httpx
import msgspec
from websockets.exceptions import WebSocketException

from application.realtime.ports import Fault, Message, PublishFailed
from infrastructure.doctor.findings import Finding, error, note, warning
from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from infrastructure.supabase.admin import RealtimeEndpoint, create_admin_client, listen
from infrastructure.supabase.broadcast import RealtimePublisher
from infrastructure.supabase.jwks import JwksMalformed, parse_jwks

TIMEOUT_S = 5


_LEGACY: Final = """
select last_accepted_at at time zone 'UTC' as at,
       last_accepted_at < clock_timestamp() - interval '1 day' as is_long_ago
from private.legacy_tokens
"""


class _Configuration(msgspec.Struct):
    issuer: str


async def check_signing_keys(settings: Settings) -> Sequence[Finding]:
    """Find out whether tokens can be verified, and whether the legacy secret is still needed."""
    url = settings.jwks_url
    fix = "check SUPABASE_URL and SUPABASE_JWKS_URL"
    has_secret = settings.supabase_jwt_secret is not None
    tell = warning if has_secret else error  # its tokens are good whatever the endpoint does
    try:
        async with _client(settings) as http:
            answer = await http.get(url)
    except httpx.HTTPError as failure:
        return [tell("signing_keys_unreachable", f"{url} does not answer ({type(failure).__name__})", fix)]
    if answer.status_code != httpx.codes.OK:
        return [tell("signing_keys_unreachable", f"{url} answers {answer.status_code}", fix)]
    try:
        keys = parse_jwks(answer.content, local_development=settings.is_local)
    except JwksMalformed as fault:
        return [tell("signing_keys_unreachable", f"{url} answers with no key set ({fault})", fix)]
    if not keys and not has_secret:
        return [
            error(
                "signing_keys_unusable",
                f"{url} holds no key to verify tokens with",
                "switch the project to asymmetric signing keys (ES256, RS256 or EdDSA), or set SUPABASE_JWT_SECRET",
            )
        ]
    if keys and has_secret:
        return [await _legacy_secret(settings)]
    return []


async def _legacy_secret(settings: Settings) -> Finding:
    """Whether anybody still comes with a token under the secret that published keys have taken the place of."""
    still = "the project publishes signing keys, and HS256 tokens are still accepted (SUPABASE_JWT_SECRET)"
    try:
        connection = await connect(settings.database, statement_cache_size=0)
        try:
            [last] = await connection.fetch(_LEGACY)
        finally:
            await connection.close(timeout=1)
    except Exception:
        # What is wrong with the database has a finding of its own.
        return warning(
            "legacy_secret_accepted",
            still,
            "unset it when no HS256 token came for a day "
            '(lingualink_tokens_verified_total{algorithm="HS256"} stands still)',
        )
    seen = f"{last['at']:%Y-%m-%d %H:%M} UTC"
    if last["is_long_ago"]:
        return warning(
            "legacy_secret_unused", f"{still}; none came since {seen}", "unset SUPABASE_JWT_SECRET"
        )
    return warning(
        "legacy_secret_accepted", f"{still}; the last came {seen}", "unset it when none came for a day"
    )


async def check_issuer(settings: Settings) -> Sequence[Finding]:
    """Find out whether the issuer that Supabase Auth writes into tokens is one that is accepted.

    Auth tells it as OpenID Connect Discovery 1.0 asks (section 4); versions that do not are not asked twice.
    """
    url = f"{settings.supabase_url}/auth/v1/.well-known/openid-configuration"
    try:
        async with _client(settings) as http:
            answer = await http.get(url)
        issuer = msgspec.json.decode(answer.content, type=_Configuration).issuer.rstrip("/")
    except (httpx.HTTPError, msgspec.DecodeError):
        return []  # that Auth is away, the signing keys have told
    if answer.status_code != httpx.codes.OK or issuer in settings.jwt_issuers:
        return []
    return [
        error(
            "issuer_not_accepted",
            f"Supabase Auth writes the issuer {issuer} into its tokens; accepted are {', '.join(settings.jwt_issuers)}",
            f"set SUPABASE_JWT_ISSUER={issuer}",
        )
    ]


def _client(settings: Settings) -> httpx.AsyncClient:
    # A server on this machine is behind no proxy, whatever the environment says of others.
    return httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=not settings.is_local)


JOIN_S: Final = 10.0
ARRIVAL_S: Final = 5.0
_EVENT: Final = "checked"


async def check_realtime(settings: Settings) -> Sequence[Finding]:
    """Find out whether messages arrive: join a private topic of our own, send there as the relay does, and wait."""
    url, key = settings.supabase_url, settings.supabase_secret_key.get_secret_value()
    findings = _legacy_key(key)
    publisher = RealtimePublisher(RealtimeEndpoint.of(url, key), through_proxy=not settings.is_local)
    try:
        limit = await _send_and_hear(publisher, url, key)
    except PublishFailed as failure:
        return [*findings, _not_sent(url, failure)]
    except _NotHeardError as failure:
        return [*findings, *_older(publisher), failure.finding]
    finally:
        await publisher.aclose()
    return [*findings, *_older(publisher), _rate(limit, settings.lingualink_realtime_share, publisher.cost)]


class _NotHeardError(Exception):
    def __init__(self, finding: Finding) -> None:
        self.finding = finding


async def _send_and_hear(publisher: RealtimePublisher, url: str, key: str) -> int | None:
    """The plan's messages a second, as Realtime told them when it took what then arrived.

    Raises:
        PublishFailed: it did not take it.
        _NotHeardError: it took it, and it did not arrive.
    """
    topic, mark = f"lingualink:doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
    message = Message(0, uuid4(), topic, _EVENT, msgspec.json.encode({"mark": mark}).decode(), 0)
    await publisher.publish(
        message
    )  # first: whether it would be taken at all, told better than a join tells it
    arrived = asyncio.Event()
    client = await create_admin_client(url, key)
    try:
        async with asyncio.timeout(JOIN_S):
            await listen(
                client, topic, _EVENT, lambda said: arrived.set() if said.get("mark") == mark else None
            )
        limit = await publisher.publish(message)
        async with asyncio.timeout(ARRIVAL_S):
            await arrived.wait()
    except (OSError, WebSocketException) as failure:  # a timeout is an OSError, too
        raise _NotHeardError(_not_heard(failure)) from failure
    finally:
        await client.realtime.close()
    return limit


def _legacy_key(key: str) -> list[Finding]:
    """A legacy key is a token. One of another role than service_role stops the start already."""
    if not key.startswith("eyJ"):
        return []
    return [
        warning(
            "legacy_key",
            "SUPABASE_SECRET_KEY is a legacy service_role key, and Supabase ends those with the year 2026",
            "make a secret key (sb_secret_...) in the project's settings and use it",
        )
    ]


def _not_sent(url: str, failure: PublishFailed) -> Finding:
    why = str(failure)
    if "Missing messages partition" in why:
        return error(
            "realtime_partition_missing",
            "Realtime has no partition of realtime.messages for today, so nothing can be sent or joined",
            "open the project's Realtime inspector once, which makes it; if it stays, restart the project",
        )
    if failure.fault is Fault.RATE:
        return warning(
            "realtime_rate_reached",
            f"Realtime takes nothing now, because the project sends too much ({why})",
            "look at the project's Realtime report, and lower LINGUALINK_REALTIME_SHARE or raise the plan's limit",
        )
    if failure.fault is Fault.KEY and not why.startswith(("3", "404")):
        return error(
            "realtime_refuses_key",
            f"Realtime does not know the secret key, or may not be used with it ({why})",
            "set SUPABASE_SECRET_KEY to a secret key of this project",
        )
    return error(
        "realtime_unreachable",
        f"{url}/realtime/v1 does not take a message ({why})",
        "check SUPABASE_URL, and whether Realtime is enabled in the project",
    )


def _not_heard(failure: Exception) -> Finding:
    why = type(failure).__name__ if isinstance(failure, TimeoutError) else str(failure)
    return error(
        "realtime_not_delivered",
        f"Realtime takes messages, but a device that listens hears none ({why})",
        "look at the project's Realtime logs; policies on realtime.messages must let service_role pass",
    )


def _older(publisher: RealtimePublisher) -> list[Finding]:
    if not publisher.is_older:
        return []
    return [
        warning(
            "realtime_older",
            "this Realtime is from before May 2026 and answers for no single message; the relay sends batches "
            "between two messages that must come back, which costs more and proves less",
            "update Supabase",
        )
    ]


def _rate(limit: int | None, share: float, cost: int) -> Finding:
    if limit is None:
        return note("realtime_rate", "Realtime tells no limit, so the relay sends as fast as it can")
    return note(
        "realtime_rate",
        f"the plan allows {limit} messages a second; the relay uses {share:.0%} of it, "
        f"which is {limit * share / cost:.0f} events a second to people with two devices each",
    )
