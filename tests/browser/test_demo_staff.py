"""What moderators and admins do on the demo page, and what their users see of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from browser.conftest import Enter
from support.browser import balance, shows

pytestmark = pytest.mark.anyio


async def write(page: Page, title: str, language: str = "Shona") -> None:
    form = page.get_by_role("region", name="My posts")
    if not await form.get_by_label("Title", exact=True).is_visible():
        await form.get_by_text("New post").click()
    await form.get_by_label("Title", exact=True).fill(title)
    await form.get_by_label("Language", exact=True).fill(language)
    await form.get_by_label("Text", exact=True).fill("Mhoro, wakadini?")
    await form.get_by_role("button", name="Post", exact=True).click()
    await expect(form.get_by_text("Your post waits for a moderator.")).to_be_visible()


def queued(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name="Posts to validate").get_by_role("listitem").filter(has_text=title)


def own(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name="My posts").get_by_role("listitem").filter(has_text=title)


@pytest.fixture
def title() -> str:
    return f"Greeting {uuid4().hex[:6]}"


async def test_a_post_appears_in_an_open_queue_and_its_approval_pays(enter: Enter, title: str) -> None:
    moderator, learner = await enter("moderator"), await enter("learner")
    had = await balance(learner)
    await write(learner, title)

    await expect(queued(moderator, title).get_by_text("Mhoro, wakadini?")).to_be_visible(timeout=30_000)
    await queued(moderator, title).get_by_role("button", name="Approve").click()

    told = learner.get_by_text(f"Your post “{title}” is approved now.")
    await expect(told).to_be_visible()  # it goes after a while
    await shows(learner, had + Decimal("5.00"))
    await expect(own(learner, title).get_by_text("approved")).to_be_visible()
    await expect(learner.get_by_text("Earned with a post").first).to_be_visible()


async def test_a_rejection_has_the_reason_that_was_typed(enter: Enter, title: str) -> None:
    moderator, learner = await enter("moderator"), await enter("learner")
    await write(learner, title)
    await queued(moderator, title).get_by_role("button", name="Reject").click()
    reason = queued(moderator, title).get_by_label("Reason")
    await expect(reason).to_be_focused()
    await reason.fill("The second word is missing.")

    await reason.press("Enter")

    await expect(moderator.get_by_role("heading", name="Posts to validate")).to_be_focused()
    await expect(own(learner, title).get_by_text("The second word is missing.")).to_be_visible(timeout=30_000)


async def test_a_decision_can_be_taken_back_before_it_is_sent(enter: Enter, title: str) -> None:
    moderator, learner = await enter("moderator"), await enter("learner")
    had = await balance(learner)
    await write(learner, title)
    await expect(queued(moderator, title)).to_be_visible()
    await moderator.clock.install()
    # Its seconds are ours. By then the clock must not have come so far by itself.
    await moderator.clock.pause_at(datetime.now(UTC) + timedelta(seconds=30))
    await queued(moderator, title).get_by_role("button", name="Approve").click()
    await moderator.clock.run_for(1_000)
    await expect(queued(moderator, title)).to_have_count(0)

    await moderator.get_by_role("button", name="Undo").click()
    await moderator.clock.run_for(10_000)

    await expect(queued(moderator, title)).to_be_visible()
    await learner.reload()
    await expect(own(learner, title).get_by_text("waiting")).to_be_visible()
    await shows(learner, had)


async def test_signing_out_sends_what_was_decided(enter: Enter, title: str) -> None:
    moderator, learner = await enter("moderator"), await enter("learner")
    await write(learner, title)
    await queued(moderator, title).get_by_role("button", name="Approve").click()

    await moderator.get_by_role("button", name="Sign out").click()

    await expect(own(learner, title).get_by_text("approved")).to_be_visible(timeout=30_000)


async def test_ones_own_post_has_no_button_that_fails(enter: Enter, title: str) -> None:
    moderator = await enter("moderator")

    await write(moderator, title)

    await expect(queued(moderator, title).get_by_text("Your own post")).to_be_visible(timeout=30_000)
    await expect(queued(moderator, title).get_by_role("button")).to_have_count(0)


async def test_a_recording_can_be_heard_before_it_is_judged(enter: Enter) -> None:
    moderator = await enter("moderator")
    recording = queued(moderator, "Counting from one to ten").locator("audio")

    seconds = await recording.evaluate(
        """async (audio) => {
          if (!audio.duration) await new Promise((ready) => audio.addEventListener('loadedmetadata', ready))
          return audio.duration
        }"""
    )

    assert seconds == pytest.approx(3.0, abs=0.1)


async def test_the_queue_is_filtered(enter: Enter, title: str) -> None:
    moderator, learner = await enter("moderator"), await enter("learner")
    language = f"Language {title}"
    await write(learner, title, language)
    await expect(queued(moderator, title)).to_be_visible(timeout=30_000)

    await (
        moderator.get_by_role("region", name="Posts to validate")
        .get_by_label("Language")
        .select_option(language)
    )

    await expect(queued(moderator, "Counting from one to ten")).to_have_count(0)
    await expect(queued(moderator, title)).to_be_visible()


async def test_a_pending_post_can_be_deleted_by_its_author(enter: Enter, title: str) -> None:
    learner = await enter("learner")
    await write(learner, title)

    await own(learner, title).get_by_role("button", name="Delete").click()

    await expect(own(learner, title)).to_have_count(0)


@pytest.mark.parametrize(
    ("settled", "told", "back"), [("Paid", "paid out", "0"), ("Failed", "the money is back", "3.00")]
)
async def test_a_withdrawal_is_settled_by_an_admin(enter: Enter, settled: str, told: str, back: str) -> None:
    admin, tutor = await enter("admin"), await enter("tutor")
    had = await balance(tutor)
    form = tutor.get_by_role("form", name="Withdraw money")
    await form.get_by_label("Amount").fill("3")
    await form.get_by_role("button", name="Withdraw", exact=True).click()
    await shows(tutor, had - 3)
    waiting = (
        admin.get_by_role("region", name="Withdrawals to settle")
        .get_by_role("listitem")
        .filter(has_text="$3.00")
    )
    await expect(waiting).to_be_visible(timeout=30_000)

    await waiting.get_by_label("Reason").fill("The bank said no")
    await waiting.get_by_role("button", name=settled).click()

    await expect(waiting).to_have_count(0)
    await shows(tutor, had - 3 + Decimal(back))
    await tutor.reload()
    await tutor.get_by_role("button", name="Withdrawals").click()
    await expect(tutor.get_by_text(told).first).to_be_visible()
