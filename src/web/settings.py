"""The settings that routes show to clients."""

from typing import NewType

Currency = NewType("Currency", str)
"""The deployment's one currency (ISO 4217)."""
