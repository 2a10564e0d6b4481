"""Deliver what is pending: many topics in flight, one message at a time for each, at least once, in order."""

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Final

from application.realtime.pace import Pace, Setback
from application.realtime.ports import (
    DELIVERED_RETENTION,
    Fault,
    Lease,
    Message,
    Outbox,
    Publisher,
    PublishFailed,
)
from domain.errors import Unavailable

IN_FLIGHT: Final = 16
"""How many topics are on their way at once. Realtime asks the project's database about each."""
CLAIM: Final = 200
"""The most messages that are taken from the outbox at a time; what was accepted of them and not settled when a
process dies goes out again."""
ROUND_S: Final = 0.25
GATHER_S: Final = 0.01
"""How long a round waits for the last few answers, so that they are settled together."""
CLEAN_UP_STEP: Final = 1_000


class RoundResult(Enum):
    """What one round of the relay did."""

    STANDBY = auto()
    IDLE = auto()
    DELIVERED = auto()
    FAILED = auto()
    THROTTLED = auto()
    DENIED = auto()


_RESULTS: Final = {Fault.KEY: RoundResult.DENIED, Fault.RATE: RoundResult.THROTTLED}


class RelayEvents:
    """Publishes pending events and settles them. Whatever dies in between, they go out again with the same event id.

    A message that is refused holds up its topic alone, for a while that doubles. It is set aside only when it was
    refused time and again while others went through, and Realtime takes a probe right after refusing it. While
    everything fails, everything waits, and one message at a time finds out whether it still does.
    """

    def __init__(
        self,
        lease: Lease,
        outbox: Outbox,
        publisher: Publisher,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lease = lease
        self._outbox = outbox
        self._publisher = publisher
        self._pace = pace
        self._clock = clock
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._under_way: set[str] = set()  # topics of which a message is, and not only waits for its turn
        self._setbacks: dict[str, Setback] = {}
        self._to_settle: list[int] = []  # accepted, and perhaps the database was away when it was to be told
        self._refused: dict[int, str] = {}
        self._batch_size = 1  # the first answer tells the plan's limit
        self._accepted_count = 0
        self._failures_in_a_row = 0
        self._nothing_went_through = False
        self._halted: Fault | None = None
        self._room = asyncio.Event()
        self._mistake: BaseException | None = None

    async def __call__(self) -> RoundResult:
        """Run one round: settle, claim, and return when there is room for more, after a quarter second at most.

        Raises:
            Unavailable: the database does not answer; nothing is lost.
        """
        self._room.clear()
        accepted = self._accepted_count
        await self._settle()
        if not await self._lease.acquire_or_renew():
            return RoundResult.STANDBY
        await self._claim()
        idle = not self._lanes
        if not idle:
            await self._wait()
        await self._settle()
        return RoundResult.IDLE if idle and self._accepted_count == accepted else self._result(accepted)

    async def resign(self) -> None:
        """End what is in flight, and let another relay take over at once.

        Raises:
            Unavailable: the database does not answer; then the lease ends by itself.
        """
        self._halted = Fault.PASSING
        for topic, lane in self._lanes.items():
            if topic not in self._under_way:
                lane.cancel()
        if self._lanes:
            await asyncio.wait(self._lanes.values())
        await self._settle()
        await self._lease.resign()
        self._raise_mistake()

    async def clean_up(self) -> bool:
        """Forget some of what was delivered long ago; whether there may be more of it.

        Raises:
            Unavailable: the database does not answer.
        """
        return await self._outbox.clean_up(DELIVERED_RETENTION, CLEAN_UP_STEP) == CLEAN_UP_STEP

    async def _claim(self) -> None:
        """Start a lane for each topic that has something to say, is not under way, and need not wait."""
        if len(self._lanes) >= min(IN_FLIGHT, self._batch_size):
            return
        now = self._clock()
        waiting = {topic for topic, setback in self._setbacks.items() if setback.retry_at > now}
        unsettled = set(self._to_settle)
        topics: dict[str, list[Message]] = {}
        size = CLAIM if self._batch_size >= IN_FLIGHT else self._batch_size
        messages = await self._outbox.pending(size, waiting | self._lanes.keys())
        if not (messages or waiting or self._lanes):
            self._setbacks.clear()  # of what was dropped
        for message in messages:
            if message.id not in unsettled and message.topic not in self._lanes:
                topics.setdefault(message.topic, []).append(message)
        for topic, of_topic in topics.items():
            lane = asyncio.create_task(self._send_in_order(of_topic), name=f"relay {topic}")
            self._lanes[topic] = lane
            lane.add_done_callback(partial(self._end, topic))

    def _end(self, topic: str, lane: asyncio.Task[None]) -> None:
        del self._lanes[topic]
        if not lane.cancelled() and (mistake := lane.exception()) is not None:
            self._mistake = mistake
        if len(self._lanes) < IN_FLIGHT:
            self._room.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(ROUND_S):
                await self._room.wait()
        except TimeoutError:
            return
        if self._lanes:
            await asyncio.wait(self._lanes.values(), timeout=GATHER_S)

    async def _send_in_order(self, messages: Sequence[Message]) -> None:
        for message in messages:
            async with self._slots:
                await self._pace.turn(self._publisher.cost)
                if self._halted or not self._lease.outlasts_a_message:
                    return
                self._under_way.add(message.topic)
                try:
                    self._pace.learn(await self._publisher.publish(message))
                except PublishFailed as failure:
                    await self._refuse(message, failure)
                    return
                finally:
                    self._under_way.discard(message.topic)
                self._accept(message)

    def _accept(self, message: Message) -> None:
        self._to_settle.append(message.id)
        self._accepted_count += 1
        self._failures_in_a_row = 0
        self._setbacks.pop(message.topic, None)
        self._increase_batch_size()

    async def _refuse(self, message: Message, failure: PublishFailed) -> None:
        if failure.fault is Fault.RATE:  # nothing is said about this message
            self._halted = failure.fault
            self._pace.throttled()
            return
        if failure.fault is Fault.KEY:
            self._halted = failure.fault
        self._refused[message.id] = str(failure)
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= min(IN_FLIGHT, self._batch_size):
            self._halted = self._halted or Fault.PASSING
        setback = self._retry_later(message)
        if await self._is_alone(setback) and setback.is_enough(failure.fault, self._clock()):
            await self._set_aside(message, str(failure))

    def _retry_later(self, message: Message) -> Setback:
        now = self._clock()
        setback = self._setbacks.setdefault(message.topic, Setback(now, self._accepted_count))
        setback.fail(now, message.attempts)
        return setback

    async def _is_alone(self, setback: Setback) -> bool:
        """Whether others went through since it failed before; where nobody tried, a probe does."""
        passed = self._accepted_count > setback.accepted
        if not passed and setback.failures > 1 and self._lease.outlasts_a_message:
            passed = await self._publisher.probe()
        setback.accepted = self._accepted_count
        setback.alone += passed
        return passed

    async def _set_aside(self, message: Message, why: str) -> None:
        if not self._lease.outlasts_a_message or not await self._publisher.probe():
            return
        try:
            await self._outbox.dead_letter(message.id, why)
        except Unavailable:
            return  # it fails again
        self._refused.pop(message.id, None)
        self._setbacks.pop(message.topic, None)

    async def _settle(self) -> None:
        """Tell the outbox what was accepted and what was not."""
        if ids := list(self._to_settle):
            await self._outbox.delivered(ids)
            del self._to_settle[: len(ids)]
        refused = dict(self._refused)
        for why in dict.fromkeys(refused.values()):
            ids = [refused_id for refused_id, said in refused.items() if said == why]
            await self._outbox.failed(ids, why)
            for settled in ids:
                self._refused.pop(settled, None)

    def _raise_mistake(self) -> None:
        mistake, self._mistake = self._mistake, None
        if mistake is not None:
            raise mistake

    def _result(self, accepted_before: int) -> RoundResult:
        self._raise_mistake()
        halted, self._halted = self._halted, None
        if halted is None or self._accepted_count > accepted_before:
            return RoundResult.DELIVERED
        self._failures_in_a_row = 0
        self._nothing_went_through = True
        self._batch_size = max(1, self._batch_size // 2)
        return _RESULTS.get(halted, RoundResult.FAILED)

    def _increase_batch_size(self) -> None:
        if self._nothing_went_through:
            # Realtime answers again: what waited because nothing went through need not wait any longer.
            self._nothing_went_through = False
            for setback in self._setbacks.values():
                setback.retry_at = min(setback.retry_at, self._clock() + 1)
        self._batch_size = min(IN_FLIGHT, self._batch_size * 2)
