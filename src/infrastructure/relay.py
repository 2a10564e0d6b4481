"""Runs the relay: wakes on a commit or a tick, works until nothing is pending, backs off on failure, stops cleanly."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from application.realtime.ports import Fault, Message, Publisher, PublishFailed
from application.realtime.relay_events import RelayEvents, RoundResult
from domain.errors import Unavailable

POLL_S: Final = 0.5
BUSY_POLL_S: Final = 0.1
BUSY_FOR_S: Final = 10.0
"""How long a relay that nobody can notify polls faster after it saw an event."""
STANDBY_S: Final = 1.0
CLEAN_UP_S: Final = 60.0
CLEAN_UP_MORE_S: Final = 1.0

# First pause, longest pause. The longest ones end early enough that a thousand events are out 30 s after a fault.
_BACK_OFF: Final = {
    RoundResult.FAILED: (0.25, 5.0),
    RoundResult.THROTTLED: (5.0, 10.0),
    RoundResult.DENIED: (1.0, 15.0),
}

log = structlog.get_logger(__name__)


class PollSchedule:
    """How long the relay waits after a round. *notified* says whether other processes can wake it."""

    def __init__(self, notified: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._notified = notified
        self._clock = clock
        self._failures = 0
        self._busy_until = float("-inf")

    def after(self, result: RoundResult) -> float:
        """Seconds to wait; after a failure exponentially longer, with jitter."""
        if result in _BACK_OFF:
            first, longest = _BACK_OFF[result]
            ceiling = min(longest, first * 2.0 ** min(self._failures, 16))
            self._failures += 1
            return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter
        self._failures = 0
        if result is RoundResult.DELIVERED:
            self._busy_until = self._clock() + BUSY_FOR_S
            return 0.0
        if result is RoundResult.STANDBY:
            return STANDBY_S
        return POLL_S if self._notified() or self._clock() > self._busy_until else BUSY_POLL_S


class Relay:
    """The loop around :class:`RelayEvents`. Polling is the truth; waking only makes it fast."""

    def __init__(
        self,
        relay_events: RelayEvents,
        schedule: PollSchedule,
        on_result: Callable[[RoundResult], None],
        notify: Callable[[], None],
    ) -> None:
        """*on_result* hears of each round; *notify* tells relays in other processes that something was committed."""
        self._relay_events = relay_events
        self._schedule = schedule
        self._on_result = on_result
        self._notify = notify
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._next_clean_up = 0.0
        self.is_leader = False

    def wake(self) -> None:
        """Say that something was committed. It changes nothing for a relay that stands by or backs off."""
        self._wake.set()

    def after_commit(self) -> None:
        """Say that this process committed something that owes an event: to this relay, or to the one that leads."""
        if self.is_leader:
            self._wake.set()
        else:
            self._notify()

    def stop(self) -> None:
        """Ask the loop to end after the messages in flight."""
        self._stop.set()
        self._wake.set()

    async def run(self) -> None:
        """Relay until stopped, then give up the lease."""
        while not self._stop.is_set():
            self._wake.clear()
            result = await self._round()
            if delay := self._schedule.after(result):
                await self._pause(result, delay)
        try:
            await self._relay_events.resign()
        except Unavailable:
            pass  # the lease ends by itself
        except Exception:
            log.exception("relay.round_failed")
        self._report(RoundResult.STANDBY)

    async def _round(self) -> RoundResult:
        try:
            result = await self._relay_events()
            self._report(result)
            if self.is_leader:
                await self._clean_up_in_time()
        except Unavailable as away:
            log.warning("relay.database_unavailable", error=str(away.__cause__ or ""))
            self._report(RoundResult.STANDBY)  # whoever reaches the database may lead by now
            result = RoundResult.FAILED
        except Exception:
            # The loop must outlive a mistake: an event that is pending can't wait for a restart.
            log.exception("relay.round_failed")
            result = RoundResult.FAILED
        return result

    def _report(self, result: RoundResult) -> None:
        is_leader = result is not RoundResult.STANDBY
        if is_leader is not self.is_leader:
            log.info("relay.leads" if is_leader else "relay.stands_by")
        self.is_leader = is_leader
        self._on_result(result)

    async def _pause(self, result: RoundResult, delay: float) -> None:
        """Wait; only an idle relay can be woken, for a commit does not end a fault."""
        awaited = self._wake if result is RoundResult.IDLE else self._stop
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await awaited.wait()

    async def _clean_up_in_time(self) -> None:
        now = time.monotonic()
        if now < self._next_clean_up:
            return
        self._next_clean_up = now + CLEAN_UP_S
        with suppress(Unavailable):
            if await self._relay_events.clean_up():
                self._next_clean_up = now + CLEAN_UP_MORE_S


class MeasuredPublisher:
    """A publisher whose answers are counted, and told to the log where they are not what was hoped for.

    *on_answer* hears of each: the outcome (``accepted`` or the fault's word), and how many seconds it took.
    """

    def __init__(self, publisher: Publisher, on_answer: Callable[[str, float], None]) -> None:
        self._publisher = publisher
        self._on_answer = on_answer

    @property
    def cost(self) -> int:
        """See the port."""
        return self._publisher.cost

    async def publish(self, message: Message) -> int | None:
        """See the port."""
        began = time.perf_counter()
        outcome = Fault.PASSING.value
        try:
            limit = await self._publisher.publish(message)
            outcome = "accepted"
        except PublishFailed as failure:
            outcome = failure.fault.value
            # Without the event's id: what fails for all is one line a minute.
            tell = log.error if failure.fault is Fault.KEY else log.warning
            tell(f"realtime.publish_{outcome}", why=str(failure))
            raise
        finally:
            self._on_answer(outcome, time.perf_counter() - began)
        return limit

    async def probe(self) -> bool:
        """See the port."""
        return await self._publisher.probe()
