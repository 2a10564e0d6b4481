"""What the health routes answer."""

import msgspec


class Liveness(msgspec.Struct):
    """The process runs."""

    status: str


class ReadinessOut(msgspec.Struct):
    """Whether the process can do its work, with a word for each part."""

    status: str
    parts: dict[str, str]
