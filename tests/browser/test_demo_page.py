"""What people see on the demo page, in windows side by side."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from build_demo import DIGEST, fingerprint
from support.browser import pay, sign_in, window

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules/axe-core/axe.min.js"


async def balance(page: Page) -> Decimal:
    shown = page.get_by_test_id("balance").locator(".amount")
    await expect(shown).to_be_visible(timeout=20_000)
    return Decimal(await shown.inner_text())


async def shows(page: Page, amount: Decimal) -> None:
    await expect(page.get_by_test_id("balance").locator(".amount")).to_have_text(str(amount), timeout=20_000)


async def live(page: Page) -> Page:
    await expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)
    return page


async def test_money_moves_from_one_window_to_the_other(browser: Browser, address: str) -> None:
    tutor = await live(await sign_in(await window(browser, address), "tutor"))
    learner = await live(await sign_in(await window(browser, address), "learner"))
    had, gave = await balance(learner), await balance(tutor)

    await pay(tutor, "Lindiwe the learner", "2.50", "for the lesson")

    await shows(learner, had + Decimal("2.50"))
    await shows(tutor, gave - Decimal("2.50"))
    await expect(learner.get_by_text("for the lesson").first).to_be_visible()
    await expect(tutor.get_by_text("Sent 2.50 to Lindiwe the learner.")).to_be_visible()


async def test_an_approval_moves_its_authors_balance(browser: Browser, address: str) -> None:
    moderator = await live(await sign_in(await window(browser, address), "moderator"))
    learner = await live(await sign_in(await window(browser, address), "learner"))
    had = await balance(learner)

    await moderator.get_by_role("button", name="Approve").first.click()

    await shows(learner, had + Decimal("5.00"))
    await expect(learner.get_by_text("Your post is approved now.")).to_be_visible()
    await expect(learner.get_by_text("Earned with a post").first).to_be_visible()


async def test_what_was_missed_offline_is_there_when_online_again(browser: Browser, address: str) -> None:
    tutor = await live(await sign_in(await window(browser, address), "tutor"))
    learner = await live(await sign_in(await window(browser, address), "learner"))
    had = await balance(learner)
    await learner.context.set_offline(True)
    await pay(tutor, "Lindiwe the learner", "1.00")
    await expect(tutor.get_by_text("Sent 1.00")).to_be_visible()

    await learner.context.set_offline(False)

    await shows(learner, had + Decimal("1.00"))


async def test_an_expired_session_is_refreshed_unnoticed(browser: Browser, address: str) -> None:
    learner = await live(await sign_in(await window(browser, address), "learner"))
    await balance(learner)
    await learner.evaluate(
        """() => {
          for (const key of Object.keys(sessionStorage)) {
            const session = JSON.parse(sessionStorage.getItem(key))
            if (session.expires_at) sessionStorage.setItem(key, JSON.stringify({ ...session, expires_at: 1 }))
          }
        }"""
    )

    await learner.reload()

    await live(learner)
    assert await balance(learner) >= 0


async def test_a_wrong_password_is_said(browser: Browser, address: str) -> None:
    page = await sign_in(await window(browser, address), "learner", "wrong")

    await expect(page.get_by_role("alert")).to_have_text("Invalid login credentials")


async def test_a_payment_that_the_wallet_does_not_hold_is_refused_in_words(
    browser: Browser, address: str
) -> None:
    learner = await live(await sign_in(await window(browser, address), "learner"))
    had = await balance(learner)

    await pay(learner, "Tunde the tutor", "90000")

    await expect(learner.get_by_role("alert")).to_have_text("The wallet does not hold that much.")
    assert await balance(learner) == had


async def test_a_backend_that_is_down_is_said(browser: Browser, address: str) -> None:
    learner = await live(await sign_in(await window(browser, address), "learner"))
    await balance(learner)
    await learner.context.route(re.compile("/wallet/transfers"), lambda route: route.abort())

    await pay(learner, "Tunde the tutor", "1")

    await expect(learner.get_by_role("alert")).to_contain_text("does not answer", timeout=60_000)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_nothing_serious_stands_in_anybodys_way(browser: Browser, address: str, *, dark: bool) -> None:
    page = await window(browser, address, dark=dark)
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    before = await faults(page)
    await live(await sign_in(page, "moderator"))
    await balance(page)
    await expect(page.get_by_text("Posts to validate")).to_be_visible()

    assert before + await faults(page) == []


async def faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical; movement has to be over before colours are measured."""
    await page.emulate_media(reduced_motion="reduce")
    await page.add_script_tag(path=AXE)
    found = await page.evaluate("async () => (await axe.run()).violations")
    return [f"{one['id']}: {one['help']}" for one in found if one["impact"] in {"serious", "critical"}]


def test_the_committed_page_is_built_from_the_committed_source() -> None:
    assert DIGEST.read_text() == fingerprint(), "run make demo"
