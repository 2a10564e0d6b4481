"""The relay as part of a process: beside the routes, or alone."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from dishka import AsyncContainer

from application.ops import ShutdownState
from bootstrap.container import create_container
from bootstrap.operations import operations, operations_listener
from infrastructure.logging import log_start
from infrastructure.metrics import Metrics
from infrastructure.postgres.notifications import OutboxNotifications
from infrastructure.relay import Relay
from infrastructure.settings import Settings


@asynccontextmanager
async def _notifications(
    container: AsyncContainer, settings: Settings, relay: Relay | None
) -> AsyncIterator[None]:
    """Tell other processes of commits, and *relay* of theirs, for as long as the block runs.

    A transaction-mode pooler passes no notifications on: there, relays poll.
    """
    if settings.database.transaction_pooler:
        yield
        return
    channel = await container.get(OutboxNotifications)
    task = asyncio.create_task(channel.run(None if relay is None else relay.wake), name="notifications")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def inline_relay(container: AsyncContainer, settings: Settings) -> AsyncIterator[None]:
    """Run the relay beside the routes, unless it is turned off; let it finish its batch at the end."""
    if settings.lingualink_relay == "off":
        async with _notifications(container, settings, None):
            yield
        return
    relay = await container.get(Relay)
    async with _notifications(container, settings, relay):
        task = asyncio.create_task(relay.run(), name="relay")
        try:
            yield
        finally:
            relay.stop()
            await task


async def run_relay(settings: Settings) -> None:
    """Run nothing but the relay, until SIGTERM or SIGINT."""
    log_start(settings)
    container = create_container(settings, Metrics(), ShutdownState())
    relay = await container.get(Relay)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, relay.stop)
    try:
        async with (
            operations(container, operations_listener(settings)),
            _notifications(container, settings, relay),
        ):
            await relay.run()
    finally:
        await container.close()
