"""What people see on the demo page, in windows side by side."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from browser.conftest import Enter
from build_demo import DIGEST, fingerprint
from support.browser import balance, pay, shows, sign_in, window

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
VERIFIED = re.compile("^Verified [0-9a-f]{8}$")


async def test_money_moves_from_one_window_to_the_other(enter: Enter) -> None:
    tutor, learner = await enter("tutor"), await enter("learner")
    had, gave = await balance(learner), await balance(tutor)

    await pay(tutor, "Lindiwe the learner", "2.50", "for the lesson")

    await expect(learner.get_by_text("$2.50 has arrived.")).to_be_visible()  # it goes after a while
    await shows(learner, had + Decimal("2.50"))
    await shows(tutor, gave - Decimal("2.50"))
    await expect(learner.get_by_text("for the lesson").first).to_be_visible()
    await expect(tutor.get_by_text("Sent $2.50 to Lindiwe the learner.")).to_be_visible()


async def test_an_amount_may_have_a_decimal_comma(enter: Enter) -> None:
    tutor = await enter("tutor")
    had = await balance(tutor)

    await pay(tutor, "Lindiwe the learner", "1,25")

    await shows(tutor, had - Decimal("1.25"))


async def test_what_is_no_amount_is_said_before_it_is_sent(enter: Enter) -> None:
    tutor = await enter("tutor")

    await pay(tutor, "Lindiwe the learner", "a lot")

    await expect(tutor.get_by_role("alert")).to_have_text("Enter an amount such as 12.50.")
    await expect(tutor.get_by_role("form", name="Send money").get_by_label("Amount")).to_be_focused()


async def test_the_focus_is_never_lost(enter: Enter) -> None:
    tutor = await enter("tutor")
    await expect(tutor.get_by_role("heading", name="Balance")).to_be_focused()

    await pay(tutor, "Lindiwe the learner", "0.50")

    await expect(tutor.get_by_text("Sent $0.50")).to_be_visible()
    await expect(tutor.get_by_role("form", name="Send money").get_by_label("Amount")).to_be_focused()


async def test_windows_are_told_apart_by_their_titles(enter: Enter) -> None:
    tutor = await enter("tutor")
    had = await balance(tutor)

    await expect(tutor).to_have_title(f"Tunde the tutor · ${had:,} · LinguaLink")


async def test_what_was_missed_offline_is_there_when_online_again(enter: Enter) -> None:
    tutor, learner = await enter("tutor"), await enter("learner")
    had = await balance(learner)
    await learner.context.set_offline(True)
    await pay(tutor, "Lindiwe the learner", "1.00")
    await expect(tutor.get_by_text("Sent $1.00")).to_be_visible()

    await learner.context.set_offline(False)

    await shows(learner, had + Decimal("1.00"))


async def test_an_expired_session_is_refreshed_unnoticed(enter: Enter) -> None:
    learner = await enter("learner")
    await balance(learner)
    await learner.evaluate(
        """() => {
          for (const key of Object.keys(sessionStorage).filter((key) => key.startsWith('sb-'))) {
            const session = JSON.parse(sessionStorage.getItem(key))
            if (session.expires_at) sessionStorage.setItem(key, JSON.stringify({ ...session, expires_at: 1 }))
          }
        }"""
    )

    await learner.reload()

    await expect(learner.get_by_text("Live", exact=True)).to_be_visible(timeout=30_000)
    assert await balance(learner) >= 0


async def test_a_wrong_password_is_said(browser: Browser, address: str) -> None:
    page = await sign_in(await window(browser, address), "learner", "wrong")

    await expect(page.get_by_role("alert")).to_have_text("Invalid login credentials")


async def test_a_payment_that_the_wallet_does_not_hold_is_refused_in_words(enter: Enter) -> None:
    learner = await enter("learner")
    had = await balance(learner)

    await pay(learner, "Tunde the tutor", "90000")

    await expect(learner.get_by_role("alert")).to_have_text("Your balance is too low.")
    assert await balance(learner) == had


async def test_older_rows_are_read_when_asked_for(enter: Enter) -> None:
    tutor = await enter("tutor")
    rows = tutor.get_by_role("region", name="History").get_by_role("listitem")
    form = tutor.get_by_role("form", name="Send money")
    for cents in range(1, 23):
        await pay(tutor, "Ama the admin", f"0.{cents:02}")
        await expect(form.get_by_text(f"Sent $0.{cents:02} to Ama the admin.")).to_be_visible()
    await tutor.reload()
    await expect(rows).to_have_count(20)

    opening = rows.filter(has_text="Opening balance")
    while await opening.count() == 0:  # how many pages there are is a matter of the tests before
        shown = await rows.count()
        await tutor.get_by_role("button", name="Show older").click()
        await expect(rows.nth(shown)).to_be_visible()

    await expect(opening).to_be_visible()
    assert await rows.count() > 22


async def test_a_statement_tells_a_month_and_gives_it_as_a_file(enter: Enter) -> None:
    tutor = await enter("tutor")
    left = await balance(tutor) - Decimal("0.75")
    await pay(tutor, "Lindiwe the learner", "0.75")
    await expect(tutor.get_by_text("Sent $0.75")).to_be_visible()
    history = tutor.get_by_role("region", name="History")

    await history.get_by_role("button", name="Statement").click()

    await expect(history.get_by_role("row", name="At the end")).to_contain_text(f"${left:,}")
    async with tutor.expect_download() as file:
        await history.get_by_role("button", name="Download (CSV)").click()
    assert "-0.75" in (await (await file.value).path()).read_text()


async def test_the_ledger_is_verified_in_the_page(enter: Enter) -> None:
    tutor = await enter("tutor")
    history = tutor.get_by_role("region", name="History")

    await expect(history.get_by_text(VERIFIED)).to_be_visible()


async def test_a_ledger_that_was_tampered_with_is_said(enter: Enter) -> None:
    tutor = await enter("tutor")

    async def tampered(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        for row in body["items"]:
            if row["kind"] == "opening":
                row["created_at"] = "2020-01-01T00:00:00Z"
        await route.fulfill(response=answer, json=body)

    await tutor.route("**/wallet/transactions*", tampered)
    # What is verified is remembered. The page that does it is gone when the next one begins with nothing.
    await tutor.add_init_script("localStorage.clear()")

    await tutor.reload()

    await expect(tutor.get_by_role("alert")).to_have_text(
        re.compile("A row of this ledger is not what its hash says"), timeout=30_000
    )


async def test_a_placeholder_stands_where_something_is_read(browser: Browser, address: str) -> None:
    page = await window(browser, address)
    await page.route("**/wallet/transactions*", lambda _: None)

    await sign_in(page, "learner")

    history = page.get_by_role("region", name="History")
    await expect(history.get_by_role("status")).to_have_text("Loading")


@pytest.mark.parametrize(("language", "sign_out"), [("English", "Sign out"), ("Français", "Se déconnecter")])
async def test_a_phone_shows_the_whole_header(
    browser: Browser, address: str, language: str, sign_out: str
) -> None:
    """Also while it says that it is reconnecting, which is longer than that it is live."""
    context = await browser.new_context(locale="en-US", viewport={"width": 375, "height": 700})
    page = await context.new_page()
    await page.route_web_socket("**/realtime/**", lambda _: None)
    await page.goto(address)
    await sign_in(page, "moderator")
    await balance(page)
    if language != "English":
        await page.get_by_role("button", name=language).click()

    box = await page.get_by_role("button", name=sign_out).bounding_box()

    assert await page.locator("header .status.live").count() == 0
    assert box is not None
    assert box["x"] + box["width"] <= 375
    assert await page.evaluate("document.documentElement.scrollWidth") <= 375


async def test_the_page_speaks_french_to_those_who_do(browser: Browser, address: str) -> None:
    context = await browser.new_context(locale="fr-FR")
    page = await context.new_page()
    await page.goto(address)
    await page.get_by_label("E-mail").fill("learner@lingualink.test")
    await page.get_by_label("Mot de passe").fill("password")
    await page.get_by_role("button", name="Se connecter").click()

    await expect(page.get_by_role("heading", name="Solde")).to_be_visible()
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", name="Balance")).to_be_visible()


async def test_whoever_tries_to_cheat_is_refused_by_the_database(enter: Enter) -> None:
    learner = await enter("learner")
    had = await balance(learner)
    corner = learner.get_by_role("region", name="Try to cheat")
    answers = {
        "Give myself a million": "Refused: permission denied for table wallets (42501)",
        "Make myself admin": "Refused: a profile is made by the backend, and so is its role (42501)",
        "Approve my own post": "Refused: only pending posts of one's own can be edited (42501)",
        "Read somebody\u2019s wallet": "Nothing: row level security shows no such row.",
        "Send a forged event to somebody": "Refused: Unauthorized",
    }

    for attempt in answers:
        await corner.get_by_role("button", name=attempt).click()

    for answer in answers.values():
        await expect(corner.get_by_text(answer, exact=True)).to_be_visible()
    await learner.reload()
    await shows(learner, had)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["learner", "admin"])
async def test_nothing_serious_stands_in_anybodys_way(
    browser: Browser, address: str, name: str, *, dark: bool
) -> None:
    page = await window(browser, address, dark=dark)
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    before = await faults(page)
    await sign_in(page, name)
    await balance(page)
    await page.get_by_text("New post").click()
    await expect(page.get_by_text("Loading")).to_have_count(0)

    assert before + await faults(page) == []


async def faults(page: Page) -> list[str]:
    """What axe-core finds; movement has to be over before colours are measured."""
    await page.emulate_media(reduced_motion="reduce")
    await page.add_script_tag(path=AXE)
    found = await page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{one['id']}: {one['help']}" for one in found if re.match("serious|critical|moderate", one["impact"])
    ]


def test_the_committed_page_is_built_from_the_committed_source() -> None:
    assert DIGEST.read_text() == fingerprint(), "run make demo"
