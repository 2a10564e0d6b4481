"""Supabase Realtime: whether a message that the relay sends arrives, and how fast it may send."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

import msgspec
from websockets.exceptions import WebSocketException

from application.realtime.ports import Fault, Message, PublishFailed
from infrastructure.doctor.findings import Finding, error, note, warning
from infrastructure.settings import Settings
from infrastructure.supabase.admin import RealtimeEndpoint, create_admin_client, http_session, listen
from infrastructure.supabase.broadcast import RealtimePublisher

JOIN_S: Final = 10.0
ARRIVAL_S: Final = 5.0
_EVENT: Final = "checked"


async def check_realtime(settings: Settings) -> Sequence[Finding]:
    """Find out whether messages arrive: join a private topic of our own, send there as the relay does, and wait."""
    url, key = settings.supabase_url, settings.supabase_secret_key.get_secret_value()
    findings = _legacy_key(key)
    async with http_session(through_proxy=not settings.is_local) as http:
        publisher = RealtimePublisher(RealtimeEndpoint.of(url, key), http)
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
