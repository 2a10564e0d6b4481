"""Fetches the JWK Set of a project and keeps it: fresh, through outages, and never because a caller says so.

Supabase Auth serves the set with ``max-age=600`` behind an edge that caches as long; a key that vanished from it is
revoked (Supabase docs, JWT Signing Keys). So no key is used here that was not seen within the last ten minutes, unless
the endpoint is down, and a revoked key is dead after twenty. A good answer is news, even when it is an empty set; only
failures keep what was known.
"""

import asyncio
import contextvars
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from domain.errors import Unavailable
from infrastructure.hosts import is_near
from infrastructure.http_client import HttpClient
from infrastructure.supabase.jwks import KeySet, SigningKey, parse_jwks

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
    """The endpoint answered with something that no token can be verified with."""


class JwksClient:
    """The keys at *url*, and beside them the legacy *secret* of a project that has one; for use in one event loop.

    The secret is good at once, and while no published key is known.

    Unknown key ids cost at most one fetch in ten seconds, however many tokens bring them. Fetches run one at a time
    in a task of their own, so that a caller who leaves takes nothing from the others.

    Raises:
        ValueError: *url* is plain http, and neither on this machine nor a private name (``http://kong:8000``).
    """

    def __init__(
        self,
        url: str,
        *,
        secret: SigningKey | None = None,
        local_development: bool = False,
        schedule: Schedule | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        near = is_near(host)
        if parts.scheme != "https" and not (parts.scheme == "http" and host and near):
            raise ValueError("signing keys are fetched over https only")
        self._secret = secret
        self._secret_alone = None if secret is None else KeySet({}, secret)
        self._local_development = local_development
        self._schedule = schedule or Schedule()
        self._clock = clock
        self._target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        # The limit is on what is received, so nothing may be packed. A server on this machine or beside it is behind
        # no proxy, whatever the environment says of others.
        self._http = HttpClient(
            f"{parts.scheme}://{parts.netloc}",
            {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"},
            through_proxy=not near,
        )
        self._keys: KeySet | None = None
        self._fetched_at = _LONG_AGO
        self._attempted_at = _LONG_AGO
        self._failed_at = _LONG_AGO
        self._asked_for_at = _LONG_AGO
        self._refresh_task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def known(self) -> bool:
        """Whether a token could be verified right now."""
        return bool(self._usable() or self._secret_alone)

    async def current(self) -> KeySet:
        """The keys to verify with. The same object is returned until the published keys change.

        Raises:
            Unavailable: none are known, or the last good ones are a day old; each call may find them.
        """
        if self._keys is not None and self._clock() - self._fetched_at < self._schedule.refresh_after:
            return self._keys  # nearly always
        if self._usable() is None and self._secret_alone is not None:
            self._start_refresh(self._schedule.pause)
            return self._secret_alone
        if self._usable() is None:
            self._start_refresh(self._schedule.cold_pause)
            await self._wait_for_refresh()
        elif self._age() >= self._schedule.refresh_after:
            failing = self._failed_at > self._fetched_at
            self._start_refresh(self._schedule.pause)
            if self._age() >= self._schedule.fresh_for and not failing:
                await self._wait_for_refresh()
        keys = self._usable()
        if keys is None:
            raise Unavailable
        return keys

    async def newer_than(self, keys: KeySet) -> KeySet:
        """The keys to try a token with that names none of *keys*: newer ones, or *keys* themselves.

        Raises:
            Unavailable: no published keys are known, or the last good ones are a day old.
        """
        if keys is self._keys or keys is self._secret_alone:
            if self._refresh_task is None and self._may_ask():
                self._asked_for_at = self._clock()
                self._start_refresh(0.0)
            await self._wait_for_refresh()
        current = await self.current()
        if current is self._secret_alone:
            raise Unavailable
        return current

    async def aclose(self) -> None:
        """Stop fetching. What is known stays known; nothing new is learned."""
        self._closed = True
        if self._refresh_task is not None:
            self._refresh_task.cancel()
        await self._wait_for_refresh()
        self._http.close()

    def _usable(self) -> KeySet | None:
        return self._keys if self._age() < self._schedule.kept_for else None

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _may_ask(self) -> bool:
        """Routine fetches that succeed do not count, so that a key is found that was published right after one."""
        return self._clock() - max(self._asked_for_at, self._failed_at) >= self._schedule.pause

    def _start_refresh(self, pause: float) -> None:
        if self._refresh_task is not None or self._closed or self._clock() - self._attempted_at < pause:
            return
        self._attempted_at = self._clock()
        # In an empty context: the fetch is nobody's request, and is not to be logged as somebody's.
        self._refresh_task = asyncio.create_task(self._refresh(), context=contextvars.Context())
        self._refresh_task.add_done_callback(self._on_refresh_done)

    async def _wait_for_refresh(self) -> None:
        """Wait for the fetch under way; unlike ``await``, ``wait`` never cancels what it waits for."""
        if self._refresh_task is not None:
            await asyncio.wait([self._refresh_task])

    def _on_refresh_done(self, _: asyncio.Task[None]) -> None:
        self._refresh_task = None

    async def _refresh(self) -> None:
        try:
            keys = self._read(await self._fetch())
        except Exception as failure:  # whatever it was, the last good set stays
            self._failed_at = self._clock()
            _log.warning("signing_keys_not_fetched", why=type(failure).__name__, detail=str(failure))
            return
        # What arrives now was true when it was asked for.
        self._fetched_at = self._attempted_at
        if keys != self._keys:
            self._keys = keys
            _log.info("signing_keys_changed", key_ids=sorted(keys.by_id))

    def _read(self, document: bytes) -> KeySet:
        keys = parse_jwks(document, secret=self._secret, local_development=self._local_development)
        # Later it is a revocation. At the start it is a project that signs with nothing we can verify: no client is
        # to lose its session over that.
        if not keys and self._keys is None:
            raise FetchFailed("no usable key")
        return keys

    async def _fetch(self) -> bytes:
        async with asyncio.timeout(self._schedule.timeout):
            answer = await self._http.get(self._target)
        if answer.status != 200:
            raise FetchFailed(f"status {answer.status}")
        if len(answer.body) > _MAX_DOCUMENT_OCTETS:
            raise FetchFailed("too large")
        return answer.body
