"""What is written to a connection, for as long as its client reads."""

import asyncio
from asyncio import TimerHandle
from typing import Final

import structlog
from typing_extensions import override
from uvicorn.protocols.http.flow_control import FlowControl

UNREAD_S: Final = 15.0
"""For a client to read some of what waits for it, ..."""
UNREAD_BYTES: Final = 4 * 1024
"""... and how much of it: a slow telephone reads that in a second."""

log = structlog.get_logger(__name__)


class Flow(FlowControl):
    """uvicorn's, which also cuts off who does not read.

    A transport that is closed waits until everything is read: whoever asks and never reads would keep a connection,
    its answers, and the requests behind them, for ever.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, peer: str | None
    ) -> None:
        super().__init__(transport)
        self._loop = loop
        self._peer = peer
        self._watch: TimerHandle | None = None

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._begin_watch()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._transport.is_closing():
            self._begin_watch()

    def close(self) -> None:
        """Close the connection once all that was written is read, or the client reads no more."""
        self._transport.close()
        self._begin_watch()

    def _begin_watch(self) -> None:
        if self._watch is None and (unread := self._transport.get_write_buffer_size()):
            self._watch = self._loop.call_later(UNREAD_S, self._look, unread)

    def _look(self, before: int) -> None:
        self._watch = None
        unread = self._transport.get_write_buffer_size()
        if unread > before - UNREAD_BYTES and unread > 0:
            log.info("request.unread", client=self._peer, bytes=unread)
            self._transport.abort()
        else:
            self._begin_watch()
