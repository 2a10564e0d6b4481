"""Tells the rest of the process what was committed, as soon as it is."""

from collections.abc import Callable, Sequence

import structlog

from domain.events import Event

Listener = Callable[[Sequence[Event]], None]
"""Hears of the events of one committed transaction. It must not wait: the request is not answered yet."""

log = structlog.get_logger(__name__)


class AfterCommitHooks:
    """Hands the events of a committed transaction to every listener. What a listener raises fails no request."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Tell *listener* from now on."""
        self._listeners.append(listener)

    def emit(self, events: Sequence[Event]) -> None:
        """Tell all listeners, if there is anything to tell."""
        if not events:
            return
        for listener in self._listeners:
            try:
                listener(events)
            except Exception:
                log.exception("commit.listener_failed", listener=repr(listener))
