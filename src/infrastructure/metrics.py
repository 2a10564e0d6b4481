"""What is measured, in Prometheus' terms. Nothing outside this floor knows: others are handed plain callables."""

import math
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, TypeVar

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)

from application.realtime.ports import Backlog
from application.realtime.relay_events import RoundResult
from infrastructure.supabase.claims import RejectionReason

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
NAMESPACE: Final = "lingualink"
BOOKS_KNOWN_S: Final = 60.0
"""How long a look at the books holds: it sums the rows of the day."""
BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_METHODS: Final = {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"}

log = structlog.get_logger(__name__)
T = TypeVar("T")


@contextmanager
def shared_between_processes() -> Iterator[None]:
    """Let the processes that are forked in this block add up their measures: each of them can show all.

    They write into files (prometheus_client's multiprocess mode), in memory where the system has a place for them.
    Must be entered before the first :class:`Metrics` is made.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a folder of mkdtemp's name inside it
    folder = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="lingualink-metrics-", dir=folder) as shared:
        os.environ[_SHARED_FOLDER] = shared
        _choose_values()  # the library chose when it was imported
        try:
            yield
        finally:
            del os.environ[_SHARED_FOLDER]
            _choose_values()


def _choose_values() -> None:
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


def forget_process(pid: int) -> None:
    """Take what only a living process can say (who leads, what is owed) of *pid* out of the shared measures."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


async def _known(otherwise: str, read: Callable[[], Awaitable[T]]) -> T | None:
    """What *read* answers; None where it does not, and the event *otherwise* in the log."""
    try:
        return await read()
    except Exception as error:
        log.warning(otherwise, cause=type(error.__cause__ or error).__name__)
        return None


class Metrics:
    """The measures of one process, in a registry of its own. Labels come from closed lists only."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answered: dict[tuple[str, str, str], Histogram] = {}
        self._requests = self._histogram(
            "http_request_seconds", "Requests, and how long they took.", "method", "route", "status"
        )
        self._verified = self._counter(
            "tokens_verified", "Access tokens that were verified for the first time.", "algorithm"
        )
        self._rejected = self._counter("tokens_rejected", "Access tokens that prove nothing.", "reason")
        self._publish = self._histogram(
            "realtime_publish_seconds", "Messages sent to Realtime, and how long the answers took.", "outcome"
        )
        self._messages = self._counter(
            "realtime_messages", "Messages sent to Realtime: attempts, not deliveries.", "outcome"
        )
        self._published: dict[str, tuple[Histogram, Counter]] = {}
        self._delivery = self._histogram(
            "outbox_delivery_seconds", "From the writing of an event until Realtime had taken it."
        )
        self._leading = self._gauge("relay_leading", "1 while this process runs the active relay.", "livesum")
        self._pending = self._gauge("outbox_pending", "Committed events that are not delivered.")
        self._oldest = self._gauge("outbox_oldest_pending_seconds", "Age of the oldest of them.")
        self._dead_lettered = self._gauge(
            "outbox_dead_lettered", "Events that Realtime refuses; see lingualink outbox."
        )

        self._imbalance = self._gauge("books_imbalance", "What all accounts of the ledger come to: 0.")
        self._books_known_until = 0.0

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, namespace=NAMESPACE, registry=self._registry)

    def _gauge(
        self, name: str, what: str, mode: Literal["livesum", "livemostrecent"] = "livemostrecent"
    ) -> Gauge:
        return Gauge(name, what, namespace=NAMESPACE, registry=self._registry, multiprocess_mode=mode)

    def _histogram(self, name: str, what: str, *labels: str) -> Histogram:
        return Histogram(name, what, labels, namespace=NAMESPACE, registry=self._registry, buckets=BUCKETS_S)

    def request(self, method: str, route: str, outcome: str, seconds: float) -> None:
        """A request ended; *route* is its template, or empty where none matched.

        *outcome* is the status, ``disconnected`` or ``cancelled`` (see :data:`web.request_context.Observer`).
        """
        measure = self._answered.get((method, route, outcome))
        if measure is None:
            known = method if method in _METHODS else "other"
            measure = self._requests.labels(known, route or "unmatched", outcome)
            if known == method:
                self._answered[method, route, outcome] = measure
        measure.observe(seconds)

    def token_verified(self, algorithm: str) -> None:
        """A token that was not seen before is good."""
        self._verified.labels(algorithm).inc()

    def token_rejected(self, reason: RejectionReason) -> None:
        """A token proved nothing."""
        self._rejected.labels(reason.value).inc()

    def relay_round(self, result: RoundResult) -> None:
        """The relay of this process did a round."""
        self._leading.set(result is not RoundResult.STANDBY)

    def delivered(self, seconds: float) -> None:
        """An event was delivered *seconds* after it was written."""
        self._delivery.observe(seconds)

    def published(self, outcome: str, seconds: float) -> None:
        """Realtime answered for a message, or did not."""
        measures = self._published.get(outcome)
        if measures is None:
            measures = self._publish.labels(outcome), self._messages.labels(outcome)
            self._published[outcome] = measures
        seconds_of, count_of = measures
        seconds_of.observe(seconds)
        count_of.inc()

    async def sample(
        self,
        read_backlog: Callable[[], Awaitable[Backlog]],
        read_imbalance: Callable[[], Awaitable[Decimal]],
    ) -> None:
        """Look at the outbox, and once a minute at the books. What the database does not answer is not a number."""
        if time.monotonic() >= self._books_known_until:
            imbalance = await _known("metrics.books_unknown", read_imbalance)
            if imbalance is not None:
                self._books_known_until = time.monotonic() + BOOKS_KNOWN_S
            if imbalance:
                log.error("books.unbalanced", imbalance=float(imbalance))
            self._imbalance.set(math.nan if imbalance is None else float(imbalance))
        backlog = await _known("metrics.outbox_unknown", read_backlog)
        self._pending.set(backlog.pending if backlog else math.nan)
        self._oldest.set(backlog.oldest_pending_seconds if backlog else math.nan)
        self._dead_lettered.set(backlog.dead_lettered if backlog else math.nan)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format: of all workers where they share."""
        if _SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
