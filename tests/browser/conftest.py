"""One local system and one browser for the folder. Without Chromium it is left out, and named at the end."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from playwright.async_api import Browser, Page, expect

from support.browser import CHROMIUM, chromium, local_system, sign_in, window

expect.set_options(timeout=30_000)  # on a busy machine a page takes longer than the usual five seconds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Chromium nothing is shown."""
    for item in items:
        if "browser" in item.path.parts and CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="Chromium is not installed: the demo page is not shown"))


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The demo page of a running system."""
    with local_system() as running:
        yield running


@pytest.fixture(scope="session")
async def running_browser() -> AsyncIterator[Browser]:
    """Chromium, started once."""
    async with chromium() as running:
        yield running


@pytest.fixture
async def browser(running_browser: Browser) -> AsyncIterator[Browser]:
    """A browser without windows; what the test opens is closed after it, and its session forgotten."""
    yield running_browser
    for context in running_browser.contexts:
        await context.close()


Enter = Callable[..., Awaitable[Page]]


@pytest.fixture
def enter(browser: Browser, address: str) -> Enter:
    """Opens a window and signs in as one of the sample people; returns when the balance is live."""

    async def entered(name: str, *, dark: bool = False) -> Page:
        page = await sign_in(await window(browser, address, dark=dark), name)
        await expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=30_000)
        return page

    return entered
