"""The log: one JSON object a line on standard output, from whatever wrote it; never a secret or a token.

Every line ends in :class:`Chain`: ours, foreign libraries' (standard library logging), warnings,
and what nobody caught. Tracebacks are without local variables. A line is written before anything else happens, so that
nothing is lost at any end of the process; but the lines of requests that are answered in one turn of the event loop
are written together, at its end. A failure that repeats is one line a minute, with a count.
"""

import atexit
import logging
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Final

import msgspec
import structlog
from structlog.contextvars import merge_contextvars
from structlog.stdlib import add_log_level
from typing_extensions import override

from infrastructure.hosts import process_name
from infrastructure.line_writer import LineWriter
from infrastructure.redaction import mask_also, redact
from infrastructure.settings import Environment, Settings

STANDARD_OUTPUT: Final = 1
STANDARD_ERROR: Final = 2

REPEATED_EVERY_S: Final = 60.0
MOST_KINDS: Final = 500

_NOT_OF_A_KIND: Final = frozenset({"timestamp", "exception", "request_id", "level", "path", "method"})
_QUIET_LEVELS: Final = frozenset({"debug", "info"})
_NOT_OURS: Final = ("path", "client", "caller_request_id")
"""What callers may have written into the line of a request."""
_LEVELS_THAT_REPEAT: Final = frozenset({"warning", "error", "critical"})
# Below warning, these tell each request's address, or what we tell ourselves.
_QUIET: Final = ("httpx", "httpcore", "alembic", "asyncio", "uvicorn.access")

EventDict = MutableMapping[str, Any]


def configure_logging(settings: Environment, *, of_command: bool = False) -> None:
    """Send everything of the settings' level and above to standard output as JSON lines.

    What a command has to say is its output: of its log errors alone are told, on standard error. Call it in every
    process: each line tells the release, the host and the process.
    """
    mask_also(secrets_in(settings))
    _masked.cache_clear()
    least = "ERROR" if of_command else settings.lingualink_log_level.upper()
    chain = _chain  # one for the life of the process, for loggers keep what they were made with
    chain.writer.descriptor = STANDARD_ERROR if of_command else STANDARD_OUTPUT
    chain.process = process_name(settings.lingualink_release)
    chain.tells_requests = logging.getLevelName(least) <= logging.INFO
    chain.steps = [_begin, chain.end]
    structlog.configure(
        processors=chain.steps,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(least)),
        logger_factory=lambda *_: chain,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(chain)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_begin],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, chain.end],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(least)
    logging.raiseExceptions = False  # else a line that can't be formatted is printed with its arguments
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def request_line(fields: dict[str, Any]) -> None:
    """Write the line of a request: what a logger would, without its layers, for *fields* are complete."""
    if not _chain.tells_requests:
        return
    if _chain.steps == [_begin, _chain.end]:
        _chain.tell_request(fields)
        return
    event: Any = {"event": "request", **fields}  # somebody listens in between
    try:
        for step in structlog.get_config()["processors"]:
            event = step(_chain, "info", event)
    except structlog.DropEvent:
        return
    _chain.msg(event)


@lru_cache(1024)
def _masked(text: str) -> str:
    return redact(text, thorough=False)


def log_start(settings: Settings) -> None:
    """Say that a service begins, and what of its *settings* should be known."""
    log = structlog.get_logger("process")
    log.info("process.started", python=sys.version.split()[0])
    for warning in settings.warnings:
        log.warning("settings.noted", what=warning)


def secrets_in(settings: Environment) -> set[str]:
    """The secrets that *settings* hold, of whatever kind the command's are."""
    found = {
        value.get_secret_value()
        for name in ("supabase_secret_key", "supabase_jwt_secret")
        if (value := getattr(settings, name, None)) is not None
    }
    address = getattr(settings, "database", None)
    return found | {
        secret for secret in (address and address.password, address and address.sslpassword) if secret
    }


def _begin(logger: Any, name: str, event: EventDict) -> EventDict:
    """When, how grave, and in which request."""
    merge_contextvars(logger, name, event)
    add_log_level(logger, name, event)
    event["timestamp"] = datetime.now(UTC)
    return event


_plain_traceback = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=30)
)


def _without_locals(logger: Any, name: str, event: EventDict) -> EventDict:
    rendered: EventDict = _plain_traceback(logger, name, event)
    return rendered


class Chain:
    """The last steps of every line: repeated failures are held back, the rest is encoded, masked and written."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.writer = LineWriter(STANDARD_OUTPUT)
        self.process = ""
        self.tells_requests = True
        self.steps: list[Any] = []
        self._encode = msgspec.json.Encoder(enc_hook=repr).encode
        self._told: dict[object, tuple[float, int]] = {}

    def end(self, logger: Any, name: str, event: EventDict) -> str:
        """*event* as one line, unless it is one failure too many."""
        if name in _QUIET_LEVELS and "exc_info" not in event:
            return self.render(logger, name, event)
        return self.render(logger, name, self.damp(logger, name, _without_locals(logger, name, event)))

    def damp(self, _logger: Any, _name: str, event: EventDict) -> EventDict:
        """Let the first failure of a kind pass, and one a minute after it, with the number of those between."""
        kind = _kind(event)
        if kind is None:
            return event
        now = self._clock()
        last, held_back = self._told.get(kind, (-REPEATED_EVERY_S, 0))
        if now - last < REPEATED_EVERY_S:
            self._told[kind] = (last, held_back + 1)
            raise structlog.DropEvent
        if len(self._told) >= MOST_KINDS:
            self._told.clear()
        self._told[kind] = (now, 0)
        if held_back:
            event["repeated"] = held_back
        return event

    def render(self, _logger: Any, _name: str, event: EventDict) -> str:
        """*event* as one line."""
        event["process"] = self.process
        return redact(self._encode(event).decode())

    def tell_request(self, fields: dict[str, Any]) -> None:
        """Write the line of a request: of its *fields* callers may have written some."""
        event = {"event": "request", **fields}
        for name in _NOT_OURS:
            if name in fields:
                event[name] = _masked(fields[name])
        event["level"], event["timestamp"], event["process"] = "info", datetime.now(UTC), self.process
        self.writer.write_later(self._encode(event) + b"\n")

    def msg(self, line: str) -> None:
        """Write *line*, whole, before anything else happens."""
        self.writer.write(f"{line}\n".encode(errors="backslashreplace"))

    debug = info = warning = error = critical = exception = msg


_chain: Final = Chain()
atexit.register(_chain.writer.flush)


class _Handler(logging.Handler):
    """Standard library logging, on the same way out."""

    def __init__(self, chain: Chain) -> None:
        super().__init__()
        self._chain = chain

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._chain.msg(self.format(record))
        except structlog.DropEvent:
            return
        except Exception:
            self._chain.msg('{"event":"log.line_lost","level":"error"}')


def _kind(event: EventDict) -> object | None:
    """What repeats of *event* have in common; None for what is told each time: it is no failure, or one thing's own."""
    if event.get("level") not in _LEVELS_THAT_REPEAT or any(
        name.endswith("_id") and name != "request_id" for name in event
    ):
        return None
    failures = event.get("exception")
    what = [(failure.get("exc_type"), failure.get("exc_value")) for failure in failures] if failures else ()
    return repr((what, sorted((name, event[name]) for name in event.keys() - _NOT_OF_A_KIND)))


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, KeyboardInterrupt):
        structlog.get_logger("process").critical("process.uncaught", exc_info=(kind, error, trace))
