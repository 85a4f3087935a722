"""Campaigns, reviews and tables, in the console."""

import random
import re

import httpx
from playwright.async_api import Page, expect

from siyu.app import demo_desk, demo_reviews
from siyu.app.demo_customers import Customer
from siyu.sandbox.client import SandboxClient
from tests.browser.conftest import Installation, sign_in
from tests.browser.test_console import ask, visit


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
        parcel = {"carrier": "顺丰速运", "tracking_no": "SF1022334466"}
        await ask(page, installation, "POST", f"{path}/ship", parcel)
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
