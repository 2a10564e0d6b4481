"""Wakes relays in other processes: NOTIFY and LISTEN on one connection of its own, outside every transaction.

A NOTIFY inside a business transaction would serialise its commit with all others. This one comes after it, stands
for any number of commits, and may be lost: relays poll too.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import asyncpg
import structlog

from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import CONNECT_TIMEOUT_S, connect
from infrastructure.postgres.errors import diagnose

CHANNEL: Final = "lingualink_outbox"
GAP_S: Final = 0.05
HEARTBEAT_S: Final = 30.0
"""How often an idle connection is tried: a dead one would not say so by itself."""
RECONNECT_S: Final = (0.5, 1.0, 2.0, 5.0)

log = structlog.get_logger(__name__)


class OutboxNotifications:
    """One process's connection for notifications. While it is not run, nobody is told and nobody hears."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._ring = asyncio.Event()
        self._failures = 0
        self.listening = False

    def notify(self) -> None:
        """Tell other processes that something was committed; at most twenty times a second, and never waiting."""
        self._ring.set()

    async def run(self, on_notified: Callable[[], None] | None) -> None:
        """Keep the connection until cancelled; *on_notified*, if given, hears of commits in all processes."""
        while True:
            try:
                await self._use_connection(on_notified)
            except Exception as error:  # a loop that ended would tell nobody, and relays would poll for ever
                known = diagnose(error)
                log.warning(
                    "notifications.disconnected", cause=known.cause if known else type(error).__name__
                )
            finally:
                self.listening = False
            await asyncio.sleep(RECONNECT_S[min(self._failures, len(RECONNECT_S) - 1)])
            self._failures += 1

    async def _use_connection(self, on_notified: Callable[[], None] | None) -> None:
        connection = await connect(self._address)
        try:
            connection.add_termination_listener(lambda _: self._ring.set())
            if on_notified is not None:
                await connection.add_listener(CHANNEL, lambda *_: on_notified())
                self.listening = True
                on_notified()  # of what was missed
            self._failures = 0
            while not connection.is_closed():
                await self._notify_when_asked(connection)
        finally:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=1)

    async def _notify_when_asked(self, connection: Any) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self._ring.wait()
        except TimeoutError:
            await connection.execute("select 1", timeout=CONNECT_TIMEOUT_S)
            return
        self._ring.clear()
        if not connection.is_closed():
            await connection.execute(f"notify {CHANNEL}", timeout=CONNECT_TIMEOUT_S)
            await asyncio.sleep(GAP_S)
