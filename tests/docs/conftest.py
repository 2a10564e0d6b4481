"""People of the running system."""

from system.conftest import enter

__all__ = ["enter"]
