"""What the health routes answer."""

from typing import Literal

import msgspec


class Liveness(msgspec.Struct):
    """The process runs."""

    status: Literal["ok"]


class ReadinessOut(msgspec.Struct):
    """Whether the process can do its work, with a word for each part."""

    status: Literal["ok", "draining", "unavailable"]
    parts: dict[str, str]
