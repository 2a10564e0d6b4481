"""Whether this process can do its work, and whether it is on its way out."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, Literal, TypeVar

import structlog

T = TypeVar("T")

SCHEMA_LEVEL = 7
"""The oldest schema that this code runs on; a newer one is no reason to be unready."""
PATIENCE_S: Final = 1.5
"""For each part, asked at once: platforms give up on a probe after two seconds or more."""

Status = Literal["ok", "degraded", "draining", "unavailable"]

log = structlog.get_logger(__name__)


class AdoptionState(StrEnum):
    """How far a database is that had the app's tables first; ``DONE`` where none did, too."""

    DONE = "ok"
    NOT_BEGUN = "the app's tables were not taken over: see `lingualink adopt`"
    UNFINISHED = "the adoption is not finished: run `lingualink adopt` again"


class Probe(Generic[T]):
    """Asks *question*, one at a time: who asks meanwhile shares the answer, and nobody waits longer than *patience*.

    A question that takes longer is not cancelled (a connection that freezes can't be cancelled either): it ends by
    its own deadline, and until then it is not asked again.
    """

    def __init__(self, question: Callable[[], Awaitable[T]], patience: float) -> None:
        self._question = question
        self._patience = patience
        self._asked: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """The answer.

        Raises:
            TimeoutError: there was none within *patience* seconds.
            Exception: whatever the question raises.
        """
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask(), name="probe")
            self._asked.add_done_callback(lambda task: task.cancelled() or task.exception())
        asked = self._asked
        await asyncio.wait({asked}, timeout=self._patience)
        if not asked.done():
            raise TimeoutError
        return asked.result()

    async def _ask(self) -> T:
        return await self._question()


@dataclass(eq=False, slots=True)
class ShutdownState:
    """Set once, when the process is asked to stop; from then on it is not ready, and still finishes what comes."""

    begun: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What a database that answers says of itself; level 0 is before the first migration."""

    schema_level: int
    read_only: bool
    adoption: AdoptionState = AdoptionState.DONE


@dataclass(frozen=True, slots=True)
class Readiness:
    """The status, and a word for each part: ``ok``, or why it is not."""

    status: Status
    parts: Mapping[str, str]

    @property
    def ready(self) -> bool:
        """Whether requests shall come here."""
        return self.status in {"ok", "degraded"}


class CheckReadiness:
    """Looks at each part that work depends on. Realtime is none: what is owed waits in the outbox.

    Once ready, a process stays so while only the database is away: no other process would do better, requests answer
    503 with Retry-After by themselves, and a balancer that takes all of them out answers worse. Before, it is not
    ready: a release that can't reach its database shall get no requests.
    """

    def __init__(
        self,
        read_database: Callable[[], Awaitable[DatabaseState]],
        prepare_keys: Callable[[], Awaitable[bool]],
        shutdown: ShutdownState,
    ) -> None:
        """*prepare_keys* fetches the keys if they are due: a process that is not ready gets no other requests."""
        self._database = Probe(read_database, PATIENCE_S)
        self._keys = Probe(prepare_keys, PATIENCE_S)
        self._shutdown = shutdown
        self._was_ready = False

    async def __call__(self) -> Readiness:
        """What is known within :data:`PATIENCE_S`. A process that drains looks at nothing else."""
        if self._shutdown.begun:
            return Readiness("draining", {"process": "draining"})
        (database, schema), keys = await asyncio.gather(self._read_database(), self._prepare_keys())
        parts = {"database": database, "schema": schema, "signing_keys": keys}
        if keys == "ok" and schema == "ok":
            self._was_ready = True
            return Readiness("ok" if database == "ok" else "degraded", parts)
        only_the_database = keys == "ok" and database == "away"
        return Readiness("degraded" if self._was_ready and only_the_database else "unavailable", parts)

    async def _read_database(self) -> tuple[str, str]:
        try:
            state = await self._database()
        except Exception as error:
            log.warning("readiness.database_away", cause=type(error.__cause__ or error).__name__)
            return "away", "unknown"
        return "read_only" if state.read_only else "ok", _judge_schema(state)

    async def _prepare_keys(self) -> str:
        try:
            return "ok" if await self._keys() else "not fetched yet"
        except TimeoutError:
            return "not fetched yet"


def _judge_schema(state: DatabaseState) -> str:
    if state.adoption is not AdoptionState.DONE:
        return state.adoption
    if state.schema_level < SCHEMA_LEVEL:
        return f"migrations missing: at {state.schema_level}, needs {SCHEMA_LEVEL}"
    return "ok"
