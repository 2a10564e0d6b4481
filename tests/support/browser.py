"""Chromium, and the local system as a person starts it, for tests of the demo page and for its picture."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal

from playwright.async_api import Browser, Page, async_playwright, expect

from devstack.seed import PASSWORD
from support.ports import free_port

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""Debian's Chromium, or what stands for it elsewhere; None where there is none."""
_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def local_system() -> Iterator[str]:
    """Run ``make run`` in a folder of its own; yields the demo page's address."""
    names = ("API", "SUPABASE", "POSTGRES")
    ports = {f"LINGUALINK_DEV_{name}_PORT": str(free_port()) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "devstack"],
            cwd=folder,
            env={**os.environ, **ports, "LINGUALINK_OPS_PORT": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield _demo_address(process)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)


def _demo_address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"Demo page\s+(\S+)", line):
            return found[1] + "/"
    raise RuntimeError(f"the local system ended, having said: {said}")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Chromium, without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


async def window(browser: Browser, address: str, *, dark: bool = False) -> Page:
    """A window of its own on the demo page: its session is nobody else's."""
    context = await browser.new_context(
        viewport={"width": 800, "height": 760}, color_scheme="dark" if dark else "light"
    )
    page = await context.new_page()
    await page.goto(address)
    return page


async def sign_in(page: Page, name: str, password: str = PASSWORD) -> Page:
    """Sign in as one of the sample people, by hand."""
    await page.get_by_label("E-mail").fill(f"{name}@lingualink.test")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    return page


async def pay(page: Page, recipient: str, amount: str, note: str = "") -> None:
    """Fill in the form, and send."""
    form = page.get_by_role("form", name="Send money")
    await form.get_by_label("To").select_option(label=recipient)
    await form.get_by_label("Amount").fill(amount)
    await form.get_by_label("Note").fill(note)
    await form.get_by_role("button", name="Send", exact=True).click()


async def balance(page: Page) -> Decimal:
    """The balance that a window shows."""
    shown = page.get_by_test_id("balance").locator(".amount")
    await expect(shown).to_be_visible(timeout=30_000)
    return Decimal(re.sub(r"[^0-9.]", "", await shown.inner_text()))


async def shows(page: Page, amount: Decimal) -> None:
    """Wait until a window shows that balance."""
    shown = page.get_by_test_id("balance").locator(".amount")
    await expect(shown).to_have_text(f"${amount:,}", timeout=30_000)
