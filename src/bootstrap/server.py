"""``lingualink serve``: one worker or several on one address, which stop without anybody noticing.

A process that is asked to stop (SIGTERM, SIGINT) goes through four steps:

1. at once it is not ready any more, and every answer says ``Connection: close``, so that proxies move on;
2. for LINGUALINK_DRAIN_DELAY seconds it still takes new work: proxies need that long to see step 1;
3. it stops accepting, and finishes what runs, for LINGUALINK_DRAIN_TIMEOUT seconds at most;
4. the relay finishes its batch and gives up its lease, the pools close, and the process ends with 0.

A second signal ends step 2. With several workers that is one to the process that started them; who sends a signal to
all of its processes has sent it once.
"""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

import structlog
import uvicorn
from litestar.types import ASGIApp
from typing_extensions import override

from application.ops import ShutdownState
from bootstrap.app import create_app
from bootstrap.operations import listen_side_by_side, operations_listener, server_config
from bootstrap.worker_pool import HURRY, STOP, run_workers
from infrastructure.logging import configure_logging, log_start
from infrastructure.metrics import forget_process, shared_between_processes
from infrastructure.settings import Settings

GC_THRESHOLDS: Final = (20_000, 50, 100)
"""Objects until the youngest are looked through, and such looks until older ones are (Python: 700, 10, 10)."""

log = structlog.get_logger(__name__)

AppFactory = Callable[[Settings, ShutdownState, socket.socket | None], ASGIApp]
"""Makes the application of one process; the socket is where it answers operators, if anywhere."""


def run(settings: Settings, app_factory: AppFactory = create_app) -> int:
    """Serve what *app_factory* makes until asked to stop; the exit status, 0 after a clean stop."""
    configure_logging(settings)
    host, port = settings.lingualink_host, settings.lingualink_port
    try:
        listeners = listen_side_by_side(host, port, settings.lingualink_workers)
    except OSError as error:
        log.error("server.address_not_available", host=host, port=port, error=str(error))  # noqa: TRY400 - no trace
        return 1
    log.info("server.listening", host=host, port=listeners[0].getsockname()[1])
    operations = operations_listener(settings)
    worker = partial(run_worker, settings, listeners, operations, app_factory)
    if settings.lingualink_workers == 1:
        worker()
        return 0
    with shared_between_processes():
        return run_workers(
            settings.lingualink_workers, worker, on_stop=partial(_close, listeners), on_end=forget_process
        )


def _close(listeners: Iterable[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


def run_worker(
    settings: Settings,
    listeners: Sequence[socket.socket],
    operations: socket.socket | None,
    app_factory: AppFactory,
    number: int = 0,
    parent_gone: int | None = None,
) -> None:
    """Serve in this process, on the one of *listeners* that is its *number*'s, until asked to stop.

    Where it is one of several, *parent_gone* becomes readable when nobody will ask it to stop any more.
    """
    listener = listeners[number % len(listeners)]
    # Open here, too, they would outlive their workers: connections would wait where nobody takes them.
    _close(other for other in listeners if other is not listener)
    configure_logging(settings)
    log_start(settings)
    shutdown = ShutdownState()
    app = app_factory(settings, shutdown, operations)
    config = server_config(app, drain_timeout=settings.lingualink_drain_timeout, lifespan="on")
    DrainingServer(config, shutdown, settings.lingualink_drain_delay, parent_gone).run([listener])


class DrainingServer(uvicorn.Server):
    """A server that says that it is going before it goes. Unlike uvicorn's own it does not die of the signal."""

    def __init__(
        self, config: uvicorn.Config, shutdown: ShutdownState, delay: float, parent_gone: int | None
    ) -> None:
        super().__init__(config)
        self._shutdown = shutdown
        self._delay = delay
        self._parent_gone = parent_gone
        self._skip_delay = asyncio.Event()

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = dict.fromkeys(STOP, self._stop if self._parent_gone is None else self._drain)
        if self._parent_gone is not None:
            handlers[HURRY] = self._skip_delay.set
            loop.add_reader(self._parent_gone, self._orphaned, self._parent_gone)
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        # A worker starts with them held back: one that came while it was starting arrives now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
        try:
            yield
        finally:
            # A late signal must not turn a clean end into a death.
            signal.pthread_sigmask(signal.SIG_BLOCK, handlers)
            for number in handlers:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Modules, routes and plans live as long as the process: nobody looks through them for garbage again. What a
        # request leaves is mostly no cycle, so that looking seldom is enough; else a look takes longer than a request.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._drain()
        try:
            await asyncio.wait_for(self._skip_delay.wait(), self._delay)
        except TimeoutError:
            log.info("server.drain_delay_over", seconds=self._delay)
        await super().shutdown(sockets)

    def _stop(self) -> None:
        if self._shutdown.begun:
            self._skip_delay.set()
        self._drain()

    def _drain(self) -> None:
        if self._shutdown.begun:
            return
        log.info("server.draining", delay=self._delay, timeout=self.config.timeout_graceful_shutdown)
        self._shutdown.begun = True
        self.should_exit = True
        self.config.encoded_headers.append((b"connection", b"close"))
        self.server_state.default_headers.append((b"connection", b"close"))

    def _orphaned(self, parent_gone: int) -> None:
        """Nobody will ask this process to stop any more."""
        asyncio.get_running_loop().remove_reader(parent_gone)
        self._drain()
