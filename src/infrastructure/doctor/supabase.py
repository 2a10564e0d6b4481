"""Supabase beside the database: Auth's signing keys and issuer; and whether a message that the relay sends arrives."""

import asyncio
import secrets
from typing import Final
from uuid import uuid4

import httpx
import msgspec
from websockets.exceptions import WebSocketException

from application.realtime.ports import Fault, Message, PublishFailed
from infrastructure.doctor.findings import Finding, Findings, error, note, warning
from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from infrastructure.supabase.admin import RealtimeEndpoint, create_admin_client, listen
from infrastructure.supabase.broadcast import RealtimePublisher
from infrastructure.supabase.jwks import JwksMalformed, parse_jwks

TIMEOUT_S: Final = 5
JOIN_S: Final = 10.0
ARRIVAL_S: Final = 5.0
_EVENT: Final = "checked"
_LEGACY: Final = """
select last_accepted_at at time zone 'UTC' as at,
       last_accepted_at < clock_timestamp() - interval '1 day' as is_long_ago
from private.legacy_tokens
"""


class _Configuration(msgspec.Struct):
    issuer: str


async def check_signing_keys(settings: Settings) -> Findings:
    """Find out whether tokens can be verified, and whether the legacy secret is still needed."""
    url = settings.jwks_url
    has_secret = settings.supabase_jwt_secret is not None
    try:
        async with _client(settings) as http:
            answer = await http.get(url)
        keys = parse_jwks(answer.raise_for_status().content, local_development=settings.is_local)
    except (httpx.HTTPError, JwksMalformed) as fault:
        tell = warning if has_secret else error  # its tokens are good whatever the endpoint does
        fix = "check SUPABASE_URL and SUPABASE_JWKS_URL"
        yield tell("signing_keys_unreachable", f"{url} {_say(fault)}", fix)
        return
    if keys and has_secret:
        yield await _legacy_secret(settings)
    elif not keys and not has_secret:
        yield error(
            "signing_keys_unusable",
            f"{url} holds no key to verify tokens with",
            "switch the project to asymmetric signing keys (ES256, RS256 or EdDSA), or set SUPABASE_JWT_SECRET",
        )


def _say(fault: httpx.HTTPError | JwksMalformed) -> str:
    if isinstance(fault, JwksMalformed):
        return f"answers with no key set ({fault})"
    if isinstance(fault, httpx.HTTPStatusError):
        return f"answers {fault.response.status_code}"
    return f"does not answer ({type(fault).__name__})"


async def _legacy_secret(settings: Settings) -> Finding:
    """Whether anybody still comes with a token under the secret that published keys have taken the place of."""
    still = "the project publishes signing keys, and HS256 tokens are still accepted (SUPABASE_JWT_SECRET)"
    try:
        connection = await connect(settings.database, statement_cache_size=0)
        try:
            [(at, is_long_ago)] = await connection.fetch(_LEGACY)
        finally:
            await connection.close(timeout=1)
    except Exception:
        # What is wrong with the database has a finding of its own.
        stands_still = 'lingualink_tokens_verified_total{algorithm="HS256"} stands still'
        fix = f"unset it when no HS256 token came for a day ({stands_still})"
        return warning("legacy_secret_accepted", still, fix)
    seen = f"{at:%Y-%m-%d %H:%M} UTC"
    if is_long_ago:
        fix = "unset SUPABASE_JWT_SECRET"
        return warning("legacy_secret_unused", f"{still}; none came since {seen}", fix)
    fix = "unset it when none came for a day"
    return warning("legacy_secret_accepted", f"{still}; the last came {seen}", fix)


async def check_issuer(settings: Settings) -> Findings:
    """Find out whether the issuer that Supabase Auth writes into tokens is one that is accepted.

    Auth tells it as OpenID Connect Discovery 1.0 asks (section 4); versions that do not are not asked twice.
    """
    url = f"{settings.supabase_url}/auth/v1/.well-known/openid-configuration"
    try:
        async with _client(settings) as http:
            answer = await http.get(url)
        issuer = msgspec.json.decode(answer.content, type=_Configuration).issuer.rstrip("/")
    except (httpx.HTTPError, msgspec.DecodeError):
        return  # that Auth is away, the signing keys have told
    if answer.status_code == httpx.codes.OK and issuer not in settings.jwt_issuers:
        accepted = ", ".join(settings.jwt_issuers)
        yield error(
            "issuer_not_accepted",
            f"Supabase Auth writes the issuer {issuer} into its tokens; accepted are {accepted}",
            f"set SUPABASE_JWT_ISSUER={issuer}",
        )


def _client(settings: Settings) -> httpx.AsyncClient:
    # A server on this machine is behind no proxy, whatever the environment says of others.
    return httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=not settings.is_local)


async def check_realtime(settings: Settings) -> Findings:
    """Find out whether messages arrive: join a private topic of our own, send there as the relay does, and wait."""
    url, key = settings.supabase_url, settings.supabase_secret_key.get_secret_value()
    if key.startswith("eyJ"):  # a token; one of another role than service_role stops the start already
        yield warning(
            "legacy_key",
            "SUPABASE_SECRET_KEY is a legacy service_role key, and Supabase ends those with the year 2026",
            "make a secret key (sb_secret_...) in the project's settings and use it",
        )
    publisher = RealtimePublisher(RealtimeEndpoint.of(url, key), through_proxy=not settings.is_local)
    try:
        limit = await _send_and_hear(publisher, url, key)
        outcome = _rate(limit, settings.lingualink_realtime_share, publisher.cost)
    except PublishFailed as failure:
        yield _not_sent(url, failure)
        return
    except (OSError, WebSocketException) as failure:  # a timeout is an OSError, too
        why = type(failure).__name__ if isinstance(failure, TimeoutError) else str(failure)
        outcome = error(
            "realtime_not_delivered",
            f"Realtime takes messages, but a device that listens hears none ({why})",
            "look at the project's Realtime logs; policies on realtime.messages must let service_role pass",
        )
    finally:
        await publisher.aclose()
    if publisher.is_older:
        yield warning(
            "realtime_older",
            "this Realtime is from before May 2026 and answers for no single message; the relay sends batches "
            "between two messages that must come back, which costs more and proves less",
            "update Supabase",
        )
    yield outcome


async def _send_and_hear(publisher: RealtimePublisher, url: str, key: str) -> int | None:
    """The plan's messages a second, as Realtime told them when it took what then arrived.

    Raises:
        PublishFailed: it did not take it.
        OSError, WebSocketException: it took it, and it did not arrive.
    """
    topic, mark = f"lingualink:doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
    message = Message(0, uuid4(), topic, _EVENT, msgspec.json.encode({"mark": mark}).decode(), 0)
    # First: whether it would be taken at all, told better than a join tells it.
    await publisher.publish(message)
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
    finally:
        await client.realtime.close()
    return limit


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


def _rate(limit: int | None, share: float, cost: int) -> Finding:
    if limit is None:
        return note("realtime_rate", "Realtime tells no limit, so the relay sends as fast as it can")
    return note(
        "realtime_rate",
        f"the plan allows {limit} messages a second; the relay uses {share:.0%} of it, "
        f"which is {limit * share / cost:.0f} events a second to people with two devices each",
    )
