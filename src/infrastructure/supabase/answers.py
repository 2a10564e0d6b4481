"""What Realtime's answers to a sender mean, by status and words (supabase/realtime 2.129)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from application.realtime.ports import Fault, PublishFailed

_BUSY: Final = 429
_PASSING: Final = {408, 422, 425, _BUSY}
_POOL_EXHAUSTED: Final = "Connection pool exhausted"


def fault_of(status: int, text: str) -> PublishFailed:
    """What an answer other than 202 means, by its words. What says nothing about a message never costs one."""
    why = f"{status}: {text[:400]}"
    if status == 413 or (status == 422 and _finds_fault(text)):
        return PublishFailed(why, Fault.MESSAGE)
    if status == _BUSY and _POOL_EXHAUSTED not in text:
        return PublishFailed(why, Fault.RATE)
    if status >= 500 or status in _PASSING:
        return PublishFailed(why)
    # A key that is not known or allowed; or not Realtime at all: a redirect, a page, a project that is not there.
    return PublishFailed(why, Fault.KEY)


def _finds_fault(text: str) -> bool:
    """Whether a 422 is about the message: then it has errors by field, where a passing fault has a message."""
    try:
        body = msgspec.json.decode(text)
    except ValueError:
        return False
    return isinstance(body, dict) and "errors" in body


def limit_of(headers: Mapping[str, str]) -> int | None:
    """The plan's messages a second. ``x-rate-limit-remaining`` beside it is about requests, and says nothing of it."""
    try:
        limit = int(headers["x-rate-limit"])
    except (KeyError, ValueError):
        return None
    return limit if limit > 0 else None
