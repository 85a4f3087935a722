"""Gifts, coupons, campaigns, reviews and tables, on both sides: the phone and the console."""

import random
import re

import httpx
from playwright.async_api import FrameLocator, Page, expect

from siyu.app import demo_desk, demo_reviews
from siyu.app.demo_customers import Customer
from siyu.sandbox.client import SandboxClient
from tests.browser.conftest import Installation, sign_in
from tests.browser.test_console import ask, visit
from tests.browser.test_shop import (
    ADDRESS,
    ZH,
    answer_privacy,
    button,
    enter,
    type_password,
)

BLESSING = "愿你天天有好茶喝"
QUESTION = "盖子有点松，能补一个吗？"
ANSWER = "马上补寄"


async def test_a_coupon_and_a_gift_from_one_phone_to_the_other(
    page: Page, installation: Installation
) -> None:
    async with SandboxClient(installation.sandbox_url) as sandbox:  # two who are new to the shop
        giver = await sandbox.add_person("沈星河", "13800138061", listed=True)
        friend = await sandbox.add_person("何田田", "13800138062", listed=True)
    shop = await enter(page, installation, giver)
    await answer_privacy(shop, "gate.privacy.yes")
    await shop.get_by_role("link", name=ZH["tab.me"]).locator("visible=true").last.click()
    await shop.get_by_role("link", name=ZH["coupon.centre"]).click()
    ticket = shop.locator(".ticket", has=button(shop, "coupon.do.open")).first
    name = await ticket.locator(".ticket__name").inner_text()
    await ticket.get_by_role("button").click()
    await page.locator("[data-answer=allow]").click()
    await shop.get_by_role("link", name=ZH["coupon.toMine"]).click()
    await expect(shop.locator(".ticket", has_text=name).last).to_be_visible()
    for _ in range(2):
        await shop.get_by_role("button", name=ZH["common.back"]).locator("visible=true").click()
    await shop.get_by_role("link", name=ZH["tab.home"]).locator("visible=true").last.click()

    await shop.get_by_role("link", name=ZH["gift.hall"]).first.click()
    await shop.locator(".good").first.click()
    await shop.locator("textarea").fill(BLESSING)
    await speak(shop)
    await button(shop, "gift.pay").click()
    await type_password(page)
    await page.locator("[data-answer=done]").click()
    await button(shop, "gift.send").click()
    await page.locator(f"[data-friend={friend}]").click()

    await page.goto(f"{installation.sandbox_url}/phone/?person={friend}")
    await page.locator(f"[data-chat={giver}]").click()
    await page.locator(".card").last.click()
    shop = page.frame_locator(".mini iframe")
    await button(shop, "gift.look").click()
    await answer_privacy(shop, "gate.privacy.yes")
    await page.locator("[data-answer=allow]").click()
    await shop.locator(".stage").click()
    await expect(shop.get_by_text(BLESSING)).to_be_visible()
    await button(shop, "gift.voicePlay").click()
    await expect(button(shop, "gift.voiceStop")).to_be_visible()
    await shop.get_by_text(ZH["gift.where"]).click()
    for field, value in zip(await shop.locator(".form input").all(), ADDRESS, strict=True):
        await field.fill(value)
    await button(shop, "common.save").click()
    await shop.get_by_role("button", name=ZH["gift.accept"]).locator("visible=true").last.click()
    await expect(button(shop, "gift.giveToo")).to_be_visible()
    await shop.locator("textarea").fill(QUESTION)
    await button(shop, "gift.askSend").click()
    await expect(shop.locator(".said--receiver")).to_contain_text(QUESTION)

    await sign_in(page, installation)
    await visit(page, installation, "/gifts")
    row = page.locator("table.list tbody tr").first
    await expect(row).to_contain_text("已领取")
    await row.click()
    drawer = page.locator(".t-drawer")
    await expect(drawer).to_contain_text(BLESSING)
    await expect(drawer).to_contain_text(QUESTION)
    await expect(drawer).not_to_contain_text(ADDRESS[5])
    await drawer.get_by_role("button", name="回复").click()
    await page.locator(".t-dialog textarea").fill(ANSWER)
    await page.locator(".t-dialog__confirm").click()
    await expect(drawer).to_contain_text(ANSWER)
    await drawer.get_by_role("button", name="退款").click()
    await page.locator(".t-dialog textarea").fill("缺货")
    await page.locator(".t-dialog__confirm").click()
    await expect(drawer).to_contain_text("商家已退款")
    await visit(page, installation, "/gifts?tab=conversion")
    await expect(page.locator(".figures").first).to_contain_text("领取1100%")


async def test_a_gift_for_a_group_is_taken_by_two_of_it(
    page: Page, installation: Installation
) -> None:
    async with SandboxClient(installation.sandbox_url) as sandbox:
        people = [
            await sandbox.add_person(name, f"1380013807{number}", listed=True)
            for number, name in enumerate(("白鹿鸣", "苏合香", "程不识", "叶知秋"))
        ]
    shop = await enter(page, installation, people[0])
    await answer_privacy(shop, "gate.privacy.yes")
    await shop.get_by_role("link", name=ZH["gift.hall"]).first.click()
    await shop.locator(".good").first.click()
    await page.locator("[data-answer=allow]").click()
    await shop.get_by_role("radio", name=ZH["gift.kind.group"]).click()
    await shop.get_by_role("button", name=ZH["common.less"]).locator("visible=true").click()
    await button(shop, "gift.pay").click()
    await type_password(page)
    await page.locator("[data-answer=done]").click()
    await button(shop, "gift.sendGroup").click()
    await page.locator("[data-friend=group]").click()

    for person in people[1:]:
        await page.goto(f"{installation.sandbox_url}/phone/?person={person}")
        await page.locator("[data-chat=group]").click()
        await page.locator(".card").last.click()
        shop = page.frame_locator(".mini iframe")
        await button(shop, "gift.look").click()
        await answer_privacy(shop, "gate.privacy.yes")
        await page.locator("[data-answer=allow]").click()
        await shop.locator(".stage").click()
        if person == people[-1]:  # for the two before
            await expect(shop.get_by_text(ZH["gift.outcome.taken"])).to_be_visible()
            break
        await shop.get_by_text(ZH["gift.where"]).click()
        for field, value in zip(await shop.locator(".form input").all(), ADDRESS, strict=True):
            await field.fill(value)
        await button(shop, "common.save").click()
        accept = shop.get_by_role("button", name=ZH["gift.accept"]).locator("visible=true")
        await accept.last.click()
        await expect(button(shop, "gift.giveToo")).to_be_visible()
    await sign_in(page, installation)
    waiting = (await ask(page, installation, "GET", "/consignments?limit=30"))["items"]
    own = next(one["consignment_id"] for one in waiting if one["is_gift"])
    body = {
        "carrier": "YTO",
        "tracking_no": "YT55667788",
        "consignments": [{"consignment_id": own}],
    }
    parcel = await ask(page, installation, "POST", "/parcels", body)
    news = {"at": parcel["sent_at"], "status": "delivered", "text": "门卫代收"}
    await ask(page, installation, "POST", f"/parcels/{parcel['parcel_id']}/tracking", news)
    await _confirm_a_gift(page, installation, people[1])


async def _confirm_a_gift(page: Page, installation: Installation, person: str) -> None:
    """Its receiver follows the parcel, says that it is there, and may then review it."""
    await page.goto(f"{installation.sandbox_url}/phone/?person={person}")
    await page.locator(".minis button").first.click()
    shop = page.frame_locator(".mini iframe")
    await expect(shop.locator(".pc").first).to_be_visible()
    await shop.get_by_role("link", name=ZH["tab.me"]).locator("visible=true").last.click()
    await shop.get_by_role("link", name=re.compile(ZH["me.gifts"])).first.click()
    await shop.get_by_text(ZH["gift.received"]).locator("visible=true").first.click()
    await shop.locator("[role=link]").locator("visible=true").last.click()
    parcel = shop.locator(".parcel")
    await expect(parcel).to_contain_text("圆通速递")
    steps = [ZH[f"parcel.event.{event}"] for event in ("delivered", "sent")]
    await expect(parcel.locator(".step")).to_contain_text(steps)
    await expect(parcel.locator(".step").first).to_contain_text("门卫代收")
    await button(shop, "gift.confirm").click()
    await shop.locator(".uni-modal__btn_primary").click()
    await button(shop, "gift.review").click()
    await expect(button(shop, "review.write").first).to_be_visible()


async def speak(shop: FrameLocator) -> None:
    """A greeting of the browser's own beep, recorded and heard again before it is given."""
    await button(shop, "gift.voiceBegin").click()
    await expect(shop.get_by_text(re.compile("剩 58 秒"))).to_be_visible()
    await shop.get_by_role("button", name=re.compile("点击结束")).click()
    await button(shop, "gift.voicePlay").click()
    await expect(button(shop, "gift.voiceStop")).to_be_visible()
    await expect(button(shop, "gift.voicePlay")).to_be_visible()


async def test_a_campaign_is_counted_on_past_orders_before_it_runs(
    page: Page, installation: Installation
) -> None:
    await sign_in(page, installation)
    await visit(page, installation, "/campaigns")
    await page.get_by_role("button", name="双十二茶季").click()
    drawer = page.locator(".t-drawer")
    await drawer.get_by_role("button", name="用历史订单试算").click()
    await expect(drawer.locator(".figures").last).to_contain_text("让利")
    await drawer.get_by_role("button", name="上线", exact=True).click()
    await expect(drawer).to_contain_text("待开始")
    await expect(drawer).to_contain_text("实际效果")


async def test_a_review_is_let_through_and_a_table_goes_out(
    page: Page, installation: Installation
) -> None:
    dice = random.Random(5)
    async with (
        httpx.AsyncClient(base_url=installation.shop_url, timeout=30, trust_env=False) as http,
        SandboxClient(installation.sandbox_url) as sandbox,
    ):
        person = await sandbox.add_person("顾听澜", "13900005680")
        anna = Customer(person, installation.appid, installation.shop, dice)
        await anna.log_in(http, sandbox)
        await demo_desk.buy_goods(anna, http, sandbox)
        await sign_in(page, installation)
        path = f"/orders/{anna.order_id}"
        sent = await ask(page, installation, "GET", f"{path}/parcels")
        own = [{"consignment_id": one["consignment_id"]} for one in sent["consignments"]]
        parcel = {"carrier": "顺丰速运", "tracking_no": "SF1022334466", "consignments": own}
        await ask(page, installation, "POST", "/parcels", parcel)
        await anna.call(http, "POST", f"/shop/v1{path}/confirm-receipt")
        (line, *_) = (await anna.call(http, "GET", "/shop/v1/reviews/waiting"))["items"]
        await demo_reviews.write(anna, http, line, "茶汤清亮。")
    await visit(page, installation, "/orders")
    await expect(page.locator(".t-tabs")).to_contain_text(re.compile(r"已完成 \d"))
    await visit(page, installation, "/reviews")
    review = page.locator("article", has_text="茶汤清亮")
    await review.get_by_role("button", name="通过").click()
    await expect(review).to_contain_text("已展示")
    await visit(page, installation, "/bulk")
    await page.get_by_role("button", name="开始导出").click()
    await expect(page.locator("table.list tbody tr").first).to_contain_text("已完成")
    await page.get_by_role("button", name=re.compile("这一页")).click()
    await expect(page.get_by_text("docs/guide/bulk.md")).to_be_visible()
