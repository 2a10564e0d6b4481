"""One payment, whatever stands between the page and the backend."""

import asyncio
from decimal import Decimal

import pytest
from playwright.async_api import Page, Route, expect

from browser.conftest import Enter
from support.browser import balance, pay, shows

pytestmark = pytest.mark.anyio

UNKNOWN = "We do not know yet whether it went through."
ANSWERS = {
    "502": {"status": 502, "content_type": "text/html", "body": "<h1>Bad gateway</h1>"},
    "503": {"status": 503, "content_type": "application/problem+json", "body": '{"code": "unavailable"}'},
    "a page": {"status": 200, "content_type": "text/html", "body": "<h1>Welcome to the Wi-Fi</h1>"},
    "nothing": None,
}


class Fault:
    """Stands between the page and the backend: *answer* comes in the place of its answer."""

    def __init__(self, answer: dict[str, object] | None, *, reached: bool) -> None:
        self.answer = answer
        self.reached = reached
        self.seen = 0

    async def __call__(self, route: Route) -> None:
        self.seen += 1
        if self.reached:
            await route.fetch()
        if self.answer is None:
            await route.abort()
        else:
            await route.fulfill(**self.answer)  # type: ignore[arg-type]


async def unknown(page: Page) -> None:
    await expect(page.get_by_role("alert")).to_contain_text(UNKNOWN, timeout=60_000)


@pytest.mark.parametrize("reached", [False, True], ids=["on the way there", "on the way back"])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_lost_answer_is_one_payment(enter: Enter, answer: str, *, reached: bool) -> None:
    tutor = await enter("tutor")
    had = await balance(tutor)
    fault = Fault(ANSWERS[answer], reached=reached)
    await tutor.route("**/wallet/transfers", fault)
    await pay(tutor, "Lindiwe the learner", "0.25", answer)
    await unknown(tutor)
    await expect(tutor.get_by_role("form", name="Send money").get_by_label("Amount")).not_to_be_editable()
    await tutor.unroute("**/wallet/transfers", fault)

    await tutor.get_by_role("button", name="Find out").click()

    await expect(tutor.get_by_text("Sent $0.25 to Lindiwe the learner.")).to_be_visible(timeout=30_000)
    await shows(tutor, had - Decimal("0.25"))
    assert fault.seen > 0


async def test_a_payment_of_unknown_outcome_outlives_a_reload(enter: Enter) -> None:
    tutor = await enter("tutor")
    had = await balance(tutor)
    fault = Fault(None, reached=True)
    await tutor.route("**/wallet/transfers", fault)
    await pay(tutor, "Lindiwe the learner", "0.35")
    await unknown(tutor)
    await tutor.unroute("**/wallet/transfers", fault)

    await tutor.reload()
    await unknown(tutor)
    await tutor.get_by_role("button", name="Find out").click()

    await expect(tutor.get_by_text("Sent $0.35 to Lindiwe the learner.")).to_be_visible(timeout=30_000)
    await shows(tutor, had - Decimal("0.35"))


async def test_whom_was_paid_is_said_by_name_as_soon_as_it_is_known(enter: Enter) -> None:
    tutor = await enter("tutor")
    fault, known = Fault(None, reached=True), asyncio.Event()

    async def late(route: Route) -> None:
        await known.wait()
        await route.continue_()

    await tutor.route("**/wallet/transfers", fault)
    await pay(tutor, "Lindiwe the learner", "0.55")
    await unknown(tutor)
    await tutor.unroute("**/wallet/transfers", fault)
    await tutor.route("**/rest/v1/profiles*", late)
    await tutor.reload()
    await unknown(tutor)

    await tutor.get_by_role("button", name="Find out").click()
    await expect(tutor.get_by_text("Sent $0.55 to somebody.")).to_be_visible()
    known.set()

    await expect(tutor.get_by_text("Sent $0.55 to Lindiwe the learner.")).to_be_visible()


async def test_a_backend_that_is_down_is_said_and_the_payment_can_be_given_up(enter: Enter) -> None:
    tutor = await enter("tutor")
    had = await balance(tutor)
    fault = Fault(None, reached=False)
    await tutor.route("**/wallet/transfers", fault)
    await pay(tutor, "Lindiwe the learner", "0.45")
    await unknown(tutor)

    await tutor.get_by_role("button", name="Give it up").click()

    await expect(tutor.get_by_role("alert")).to_have_count(0)
    await expect(tutor.get_by_role("form", name="Send money").get_by_label("Amount")).to_be_editable()
    await tutor.reload()
    await shows(tutor, had)


async def test_nobody_is_paid_who_was_not_chosen(enter: Enter) -> None:
    tutor = await enter("tutor")
    fault = Fault(None, reached=False)
    await tutor.route("**/wallet/transfers", fault)
    form = tutor.get_by_role("form", name="Send money")
    await expect(form.get_by_role("option", name="Lindiwe the learner")).to_be_attached()
    await form.get_by_label("Amount").fill("0.25")

    await form.get_by_role("button", name="Send", exact=True).click()

    await expect(form.get_by_label("To")).to_be_focused()
    assert fault.seen == 0
