"""People in their own hands: what reaches them, who they are to the shop, being forgotten; and what
staff see of a campaign when something cannot be asked."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Frame, FrameLocator, Page, Route, expect

from siyu.sandbox.client import SandboxClient
from tests.browser.conftest import Installation, Watched
from tests.browser.test_console import ask, inside, visit
from tests.browser.test_shop import ZH, answer_privacy, button, enter

__all__ = ["inside"]
MESSAGES, SETTINGS = "/people/outreach/messages", "/people/outreach/settings"
PRIVACY = "/people/consents/privacy"


def shop_frame(page: Page) -> Frame:
    return next(frame for frame in page.frames if "/h5/" in frame.url)


@pytest.fixture
async def lent(installation: Installation) -> AsyncIterator[Callable[[Page, str], Any]]:
    """Lends the phone to a person; afterwards WeChat asks them again, as other tests expect."""
    people: list[str] = []

    async def lend(page: Page, person: str) -> FrameLocator:
        people.append(person)
        return await enter(page, installation, person)

    yield lend
    async with SandboxClient(installation.sandbox_url) as sandbox:
        for person in people:
            await sandbox.call("DELETE", f"/people/{person}/grants/{installation.appid}")


async def turn_to(page: Page, path: str) -> None:
    """Open a page of the shop in the phone, as a message's link does."""
    await shop_frame(page).evaluate("(url) => { location.hash = url }", path)


async def test_a_link_without_a_login_says_why_and_lets_in(
    page: Page, lent: Callable[[Page, str], Any]
) -> None:
    shop = await lent(page, "p4")
    await answer_privacy(shop, "gate.privacy.no")
    await turn_to(page, MESSAGES)
    await expect(shop.get_by_text(ZH["gate.why.messages"])).to_be_visible()
    await expect(shop.get_by_text(ZH["error.title"])).to_have_count(0)
    await button(shop, "me.login").click()
    await answer_privacy(shop, "gate.privacy.yes")
    await page.locator("[data-answer=allow]").click()
    await expect(shop.get_by_text(ZH["messages.readAll"])).to_be_visible()
    await expect(button(shop, "me.login")).to_have_count(0)


async def test_offers_without_consent_are_off_and_say_what_to_do(
    page: Page, lent: Callable[[Page, str], Any]
) -> None:
    shop = await lent(page, "p2")
    await answer_privacy(shop, "gate.privacy.yes")
    await turn_to(page, SETTINGS)
    await button(shop, "me.login").click()
    await page.locator("[data-answer=allow]").click()

    def switch(word: str) -> Any:
        return shop.locator(f"uni-switch[aria-label='{ZH[word]}'] .uni-switch-input")

    offers, orders = switch("messages.topic.offers"), switch("messages.topic.order")
    await expect(orders).to_have_class("uni-switch-input uni-switch-input-checked")
    await expect(offers).to_have_class("uni-switch-input")
    await expect(shop.get_by_text(ZH["messages.held.consent"])).to_have_count(2)
    await expect(button(shop, "messages.unsubscribe")).to_have_count(0)
    await offers.click(force=True)
    await expect(offers).to_have_class("uni-switch-input")
    await button(shop, "messages.consents").click()
    marketing = shop.get_by_role("switch", name="优惠与新品通知").locator("visible=true")
    await expect(marketing).to_have_attribute("aria-checked", "false")
    await marketing.click()
    await expect(marketing).to_have_attribute("aria-checked", "true")
    await shop.get_by_role("button", name=ZH["common.back"]).locator("visible=true").click()
    await expect(offers).to_have_class("uni-switch-input uni-switch-input-checked")
    await expect(shop.get_by_text(ZH["messages.held.consent"])).to_have_count(0)
    await button(shop, "messages.unsubscribe").click()
    await expect(offers).to_have_class("uni-switch-input")


async def test_who_never_logged_in_has_their_traces_forgotten(
    chromium: Browser, installation: Installation
) -> None:
    context = await chromium.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    watched = Watched(context, (installation.shop_url, installation.sandbox_url))
    page = await context.new_page()
    url = f"{installation.shop_url}/h5/?shop={installation.shop}#{PRIVACY}"
    statistics = page.locator(".card", has=page.get_by_role("switch", name="浏览行为分析"))
    switch = statistics.get_by_role("switch")
    keys = []

    async def forgotten(press: Any) -> None:
        async with page.expect_response("**/collect/v1/forget") as told:
            await press.click()
        answer = await (await told.value).json()
        assert answer == {"is_forgotten": True}
        keys.append(json.loads((await told.value).request.post_data or "")["visitor"])
        await expect(button(page, "privacy.forget")).to_have_count(0)
        await expect(statistics.get_by_text(ZH["privacy.forgotOk"])).to_be_visible()

    await page.goto(url)
    await expect(switch).to_have_attribute("aria-checked", "false")
    await expect(button(page, "privacy.forget")).to_have_count(0)
    async with page.expect_response("**/collect/v1") as taken:
        await switch.click()
    assert (await (await taken.value).json())["accepted"] >= 1
    await forgotten(button(page, "privacy.forget"))  # asked for by itself: statistics stay on
    await expect(switch).to_have_attribute("aria-checked", "true")
    await switch.click()
    async with page.expect_response("**/collect/v1") as again:
        await switch.click()
    assert (await (await again.value).json())["accepted"] >= 1
    await expect(button(page, "privacy.forget")).to_be_visible()
    await forgotten(switch)  # taken back: forgotten without being asked
    await expect(switch).to_have_attribute("aria-checked", "false")
    assert len(set(keys)) == 2, "after the first time the device was somebody new"
    await context.close()
    assert (watched.foreign, watched.complaints) == ([], [])


async def test_a_campaigns_page_says_what_could_not_be_asked(
    inside: Page, installation: Installation
) -> None:
    templates = await ask(inside, installation, "GET", "/outreach/templates")
    chosen = templates["items"][0]
    words = {one["name"]: one["sample"] for one in chosen["variables"]}
    made = await ask(
        inside, installation, "POST", "/outreach/campaigns",
        {"name": "春茶上新", "template_id": chosen["template_id"], "variables": words,
         "audience": {"kind": "all"}},
    )  # fmt: skip
    broken = {"error": {"code": "server.failed", "message": "仓库正在维护", "details": {}}}

    async def fail(route: Route) -> None:
        await route.fulfill(status=500, json=broken)

    await inside.route("**/forecast", fail)
    await visit(inside, installation, f"/messages/{made['campaign_id']}")
    section = inside.locator("section", has=inside.get_by_role("heading", name="发送前预估"))
    await section.get_by_role("button").first.click()
    await expect(section.get_by_role("alert")).to_contain_text("仓库正在维护")
    await expect(section.locator("table")).to_have_count(0)
    await inside.unroute("**/forecast", fail)
    await section.get_by_role("alert").get_by_role("button", name="重试").click()
    await expect(section.locator("table")).to_be_visible()
    await expect(section.get_by_role("alert")).to_have_count(0)
