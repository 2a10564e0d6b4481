"""Fetches the published signing keys and keeps them: fresh, through outages, and never because a caller says so.

Supabase Auth serves the set with ``max-age=600`` behind an edge that caches as long; a key that vanished from it is
revoked (Supabase docs, JWT Signing Keys). So no key is used here that was not seen within the last ten minutes, unless
the endpoint is down, and a revoked key is dead after twenty.
"""

import asyncio
import contextvars
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

import httpx
import structlog

from domain.errors import Unavailable
from infrastructure.supabase.jwk_set import parse_key_set
from infrastructure.supabase.keys import Keys, KeySet

_MAX_DOCUMENT_OCTETS = 64 * 1024
_LONG_AGO = float("-inf")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When keys are fetched, in seconds."""

    refresh_after: float = 480.0
    """From this age on the set is fetched again in the background, ..."""
    fresh_for: float = 600.0
    """... and from this age on callers wait for that, unless the endpoint is known to be down."""
    kept_for: float = 24 * 3600.0
    """How long the last good set outlives an outage."""
    pause: float = 10.0
    """Between two fetches because of unknown key ids, and after a fetch that failed."""
    cold_pause: float = 2.0
    """The same while no key at all is known and nobody can be served."""
    timeout: float = 3.0
    """For one whole fetch."""


class FetchFailed(Exception):
    """The endpoint answered with something else than a document."""


class SigningKeys:
    """The keys at *url*, for use in one event loop.

    Unknown key ids cost at most one fetch in ten seconds, however many tokens bring them. Fetches run one at a time
    in a task of their own, so that a caller who leaves takes nothing from the others.

    Raises:
        ValueError: *url* is neither https nor on the loopback interface.
    """

    def __init__(
        self,
        url: str,
        *,
        local_development: bool = False,
        schedule: Schedule | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = httpx.URL(url)
        loopback = is_loopback(self._url.host)
        if self._url.scheme != "https" and not (self._url.scheme == "http" and loopback):
            raise ValueError("signing keys are fetched over https only")
        self._local_development = local_development
        self._schedule = schedule or Schedule()
        self._clock = clock
        # A server on this machine is behind no proxy, whatever the environment says of others.
        self._client = httpx.AsyncClient(
            timeout=self._schedule.timeout,
            follow_redirects=False,
            trust_env=not loopback,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
        )
        self._keys: KeySet | None = None
        self._fetched_at = _LONG_AGO
        self._attempted_at = _LONG_AGO
        self._failed_at = _LONG_AGO
        self._asked_for_at = _LONG_AGO
        self._flight: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def known(self) -> bool:
        """Whether a token could be verified right now."""
        return self._usable() is not None

    async def current(self) -> KeySet:
        """The keys to verify with. The same object is returned until the published keys change.

        Raises:
            Unavailable: none are known, or the last good ones are a day old; each call may find them.
        """
        if self._usable() is None:
            self._take_off(self._schedule.cold_pause)
            await self._landing()
        elif self._age() >= self._schedule.refresh_after:
            failing = self._failed_at > self._fetched_at
            self._take_off(self._schedule.pause)
            if self._age() >= self._schedule.fresh_for and not failing:
                await self._landing()
        keys = self._usable()
        if keys is None:
            raise Unavailable
        return keys

    async def newer_than(self, keys: Keys) -> KeySet:
        """The keys to try a token with that names none of *keys*: newer ones, or *keys* themselves.

        Raises:
            Unavailable: as for `current`.
        """
        if self._keys is keys:
            if self._flight is None and self._may_ask():
                self._asked_for_at = self._clock()
                self._take_off(0.0)
            await self._landing()
        return await self.current()

    async def aclose(self) -> None:
        """Stop fetching. What is known stays known; nothing new is learned."""
        self._closed = True
        if self._flight is not None:
            self._flight.cancel()
        await self._landing()
        await self._client.aclose()

    def _usable(self) -> KeySet | None:
        return self._keys if self._age() < self._schedule.kept_for else None

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _may_ask(self) -> bool:
        """Routine fetches that succeed do not count, so that a key is found that was published right after one."""
        return self._clock() - max(self._asked_for_at, self._failed_at) >= self._schedule.pause

    def _take_off(self, pause: float) -> None:
        if self._flight is not None or self._closed or self._clock() - self._attempted_at < pause:
            return
        self._attempted_at = self._clock()
        # In an empty context: the fetch is nobody's request, and is not to be logged as somebody's.
        self._flight = asyncio.create_task(self._fly(), context=contextvars.Context())
        self._flight.add_done_callback(self._landed)

    async def _landing(self) -> None:
        """Wait for the fetch under way; unlike ``await``, ``wait`` never cancels what it waits for."""
        if self._flight is not None:
            await asyncio.wait([self._flight])

    def _landed(self, _: asyncio.Task[None]) -> None:
        self._flight = None

    async def _fly(self) -> None:
        try:
            keys = parse_key_set(await self._fetch(), local_development=self._local_development)
        except Exception as failure:  # whatever it was, the last good set stays
            self._failed_at = self._clock()
            _log.warning("signing_keys_not_fetched", why=type(failure).__name__, detail=str(failure))
            return
        # What arrives now was true when it was asked for.
        self._fetched_at = self._attempted_at
        if keys != self._keys:
            self._keys = keys
            _log.info("signing_keys_changed", key_ids=sorted(keys.by_id))

    async def _fetch(self) -> bytes:
        # The limit is on what is received, so nothing may be unpacked on the way.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        document = bytearray()
        async with (
            asyncio.timeout(self._schedule.timeout),
            self._client.stream("GET", self._url, headers=headers) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise FetchFailed(f"status {response.status_code}")
            async for chunk in response.aiter_raw():
                document += chunk
                if len(document) > _MAX_DOCUMENT_OCTETS:
                    raise FetchFailed("too large")
        return bytes(document)


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine by its very name; no name is looked up."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
