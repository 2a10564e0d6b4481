"""How long the long tests run: a sample in the suite, all of it under ``make chaos``."""

import os
from typing import Final, TypeVar

T = TypeVar("T")

FULL: Final = bool(os.environ.get("LINGUALINK_CHAOS"))


def sized(sample: T, full: T) -> T:
    """*sample* in the suite, *full* under ``make chaos``."""
    return full if FULL else sample
