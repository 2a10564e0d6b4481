"""One local system and one browser for the folder. Without Chromium it is left out, and named at the end."""

from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser

from support.browser import CHROMIUM, chromium, local_system


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the folder's tests in one process: they share what they look at."""
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("browser"))
            if CHROMIUM is None:
                item.add_marker(
                    pytest.mark.skip(reason="Chromium is not installed: the demo page is not shown")
                )


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The demo page of a running system."""
    with local_system() as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser."""
    async with chromium() as running:
        yield running
