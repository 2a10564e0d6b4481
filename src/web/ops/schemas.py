"""What the health routes answer."""

from typing import Literal

import msgspec


class Liveness(msgspec.Struct):
    """The process runs; and which it is: release, host, and process id there."""

    status: Literal["ok"]
    release: str
    host: str
    process: int


class ReadinessOut(msgspec.Struct):
    """Whether the process can do its work, with a word for each part; and which process it is."""

    status: Literal["ok", "degraded", "draining", "unavailable"]
    parts: dict[str, str]
    release: str
    host: str
    process: int
