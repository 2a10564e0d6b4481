"""Take the picture of the README: two windows of the demo page side by side, after a payment and an approval."""

import asyncio
import base64
from decimal import Decimal
from pathlib import Path

from playwright.async_api import Page, expect

from support.browser import chromium, local_system, pay, shows, sign_in, window

TARGET = Path(__file__).parents[1] / "docs/images/demo.png"
WAIT = 30_000
_PAGE = """
<body style="margin:0; display:flex; gap:24px; padding:24px; background:#8b90a8">
  {windows}
</body>
"""
_WINDOW = '<img style="border-radius:14px; box-shadow:0 12px 40px #0006" src="data:image/png;base64,{}">'


async def main(address: str) -> None:
    """Play the scene, and take the picture."""
    async with chromium() as browser:
        tutor = await sign_in(await window(browser, address), "tutor")
        learner = await sign_in(await window(browser, address, dark=True), "learner")
        moderator = await sign_in(await window(browser, address), "moderator")
        for page in (tutor, learner, moderator):
            await page.emulate_media(reduced_motion="reduce")
            await expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=WAIT)
        await pay(tutor, "Lindiwe the learner", "12.50", "for the lesson")
        await shows(learner, Decimal("37.50"))
        await moderator.get_by_role("button", name="Approve Greeting").click()
        await shows(learner, Decimal("42.50"))
        await expect(learner.get_by_text("Earned with a post")).to_be_visible()
        await expect(learner.get_by_text("is approved now.")).to_be_visible()
        await _picture(await browser.new_page(viewport={"width": 1672, "height": 808}), [tutor, learner])


async def _picture(page: Page, windows: list[Page]) -> None:
    shots = [base64.b64encode(await shown.screenshot()).decode() for shown in windows]
    await page.set_content(_PAGE.format(windows="".join(_WINDOW.format(shot) for shot in shots)))
    TARGET.parent.mkdir(exist_ok=True)
    await page.screenshot(path=TARGET)


if __name__ == "__main__":
    with local_system() as running:
        asyncio.run(main(running))
