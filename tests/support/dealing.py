"""How the suite is dealt to its workers: what shares costly fixtures to one of them, and what takes longest first.

The marks of pytest-xdist are no help: they work by renaming tests, which pytest 9 does not take from a plugin.
"""

from typing import Final

import pytest
from typing_extensions import override
from xdist.scheduler import LoadScopeScheduling

TOGETHER: Final = {
    "tests/browser/": "one local system and one Chromium, whose sample people the tests share",
    "tests/vault/": "two backends, once with posts and once with clips",
    "tests/client/test_consumer.py tests/client/test_package.py": "the package as npm packs it",
}
"""What goes to one worker as a whole, and what it shares. Every other file goes by itself."""

FIRST: Final = (
    "tests/system/test_garbage.py",  # what it counts is the whole process's: nothing else has run there
    "tests/browser/",
    "tests/bootstrap/test_stopping.py",
    "tests/client/test_consumer.py tests/client/test_package.py",
    "tests/vault/",
    "tests/system/test_make_run.py",
    "tests/relay/test_faults.py",
    "tests/client/test_vitest.py",
    "tests/relay/test_delivery.py",
    "tests/database/test_adopting_lingualink.py",
    "tests/database/test_doctor.py",
    "tests/relay/test_takeover.py",
    "tests/database/test_adopting_killed.py",
    "tests/database/test_migrations.py",
    "tests/wallet/test_faults.py",
    "tests/bootstrap/test_commands.py",
    "tests/database/test_adopting_beside.py",
    "tests/wallet/test_commands.py",
    "tests/relay/test_the_app.py",
    "tests/bootstrap/test_no_secret_is_printed.py",
    "tests/database/test_adopting_quickstart.py",
    "tests/delivery/test_ledger_night.py",
    "tests/bootstrap/test_sockets.py",
)
"""What takes longest, longest first: all workers end together if only small files are left at the end."""


def dealt_as(path: str) -> str:
    """The part that a test in the file *path* goes with."""
    return next((part for part in TOGETHER if path.startswith(tuple(part.split()))), path)


def place_in_line(path: str) -> int:
    """How early the part of the file *path* is dealt: 0 is the first."""
    part = dealt_as(path)
    return FIRST.index(part) if part in FIRST else len(FIRST)


class InParts(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Deals part by part, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False  # by the number of tests, which says nothing
        super().__init__(config, log)

    @override
    def _split_scope(self, nodeid: str) -> str:
        return dealt_as(nodeid.partition("::")[0])
