"""What the health routes answer."""

from typing import Literal

import msgspec

Readiness = Literal["ok", "draining", "unavailable"]


class Liveness(msgspec.Struct):
    """The process runs."""

    status: Literal["ok"]


class ReadinessOut(msgspec.Struct):
    """Whether the process can do its work, with a word for each part."""

    status: Readiness
    parts: dict[str, str]
