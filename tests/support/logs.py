"""What is said in the log, of one thread: services of other tests go on in theirs."""

import threading
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor


def of_this_thread() -> Processor:
    """A processor for ``capture_logs`` that drops what other threads than the caller's say."""
    here = threading.get_ident()

    def drop(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if threading.get_ident() != here:
            raise structlog.DropEvent
        return entry

    return drop
