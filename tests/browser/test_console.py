"""The merchant's console in a real browser, over a real installation."""

import random
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from siyu.app.demo_customers import Customer
from siyu.sandbox.client import SandboxClient
from tests.browser.conftest import Installation, sign_in

PATIENCE = 20_000  # ms; several programs share the machine
PHONE = re.compile(r"1\d{10}")
MASKED_PHONE = re.compile(r"1\d{2}\*{4}\d{4}")


@pytest.fixture(scope="session")
async def bought(installation: Installation) -> dict[str, Any]:
    """A paid order of physical goods, made as a customer makes it."""
    async with (
        httpx.AsyncClient(base_url=installation.shop_url, timeout=30, trust_env=False) as http,
        SandboxClient(installation.sandbox_url) as sandbox,
    ):
        dice = random.Random(3)
        dice.random = lambda: 0.0  # type: ignore[method-assign]
        person = await sandbox.add_person("许清和", "13900005678")
        customer = Customer(person, installation.appid, installation.shop, dice)
        order: dict[str, Any] = {"address": None}
        for _ in range(10):
            assert await customer.visit(http, sandbox) == "paid"
            order = await customer.call(http, "GET", f"/shop/v1/orders/{customer.order_id}")
            if order["address"]:
                break
        assert order["address"] is not None
        return order


@pytest.fixture
async def inside(page: Page, installation: Installation) -> AsyncIterator[Page]:
    """A page whose owner is logged in."""
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    await sign_in(page, installation)
    yield page


async def ask(
    page: Page, installation: Installation, method: str, path: str, body: Any = None
) -> Any:
    """One call of the admin API with the page's own session."""
    return await page.evaluate(
        """async ([method, path, shop, body]) => {
          const headers = {'X-Siyu-Shop': shop, 'Content-Type': 'application/json'};
          const answer = await fetch('/admin/v1' + path,
            {method, headers, body: body === null ? undefined : JSON.stringify(body)});
          const text = await answer.text();
          if (!answer.ok) throw new Error(answer.status + ' ' + text);
          return text ? JSON.parse(text) : null; }""",
        [method, path, installation.shop, body],
    )


async def visit(page: Page, installation: Installation, path: str) -> None:
    await page.goto(f"{installation.shop_url}/console{path}")


def figure(page: Page, label: str) -> Locator:
    return page.locator(".card", has=page.get_by_role("button", name=label, exact=True))


async def test_login_refuses_then_lets_in_by_keyboard(
    page: Page, installation: Installation
) -> None:
    expect.set_options(timeout=PATIENCE)
    await visit(page, installation, "/orders?status=paid")
    await expect(page).to_have_url(re.compile(r"/console/login\?to="))
    await expect(page.locator("#login-name input, input#login-name").first).to_be_focused()
    await page.keyboard.type(installation.login_name)
    await page.keyboard.press("Tab")
    await page.keyboard.type("not the password")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text(re.compile("不正确|错误|不对"))
    await page.locator("input[type=password]").fill(installation.password)
    await page.keyboard.press("Enter")
    # Back to where they wanted to go.
    await expect(page).to_have_url(re.compile(r"/console/orders\?status=paid$"))
    await expect(page.get_by_role("heading", level=1)).to_have_text("订单")


async def test_dashboard_shows_the_four_level_funnel(inside: Page, bought: dict[str, Any]) -> None:
    steps = inside.locator("ol.funnel > li")
    await expect(steps).to_have_count(4)
    await expect(inside.locator("ol.funnel .label")).to_have_text(["曝光", "点击", "转化", "复购"])
    await expect(steps.nth(2).locator(".num")).not_to_have_text("0", timeout=60_000)
    card = figure(inside, "营业额")
    await expect(card.locator(".value")).to_have_text(re.compile(r"^¥[1-9]"))
    # The definition shows to whoever comes by keyboard.
    await card.locator("button.help").focus()
    await expect(card.get_by_role("tooltip")).to_be_visible()
    await inside.get_by_role("button", name="支付订单数", exact=True).click()
    await expect(inside.get_by_role("heading", name="支付订单数", level=2)).to_be_visible()
    await expect(inside.locator(".chart canvas")).to_be_visible()


async def test_console_paints_soon(inside: Page, installation: Installation) -> None:
    await visit(inside, installation, "/")
    await expect(inside.locator("ol.funnel > li")).to_have_count(4)
    painted = await inside.evaluate(
        """() => new Promise((done) => new PerformanceObserver((list) =>
          done(list.getEntries().at(-1).startTime))
          .observe({type: 'largest-contentful-paint', buffered: true}))"""
    )
    assert painted < 5_000
    entry = await inside.evaluate(
        """() => performance.getEntriesByType('resource')
          .filter((e) => e.initiatorType === 'script' || e.name.endsWith('.js'))
          .map((e) => [e.name, e.encodedBodySize])"""
    )
    assert sum(size for name, size in entry if "echarts" not in name) < 400_000


async def test_find_an_order_and_see_its_whole_address(
    inside: Page, installation: Installation, bought: dict[str, Any]
) -> None:
    await visit(inside, installation, "/orders")
    await inside.get_by_placeholder("订单号").fill(bought["order_no"])
    await inside.keyboard.press("Enter")
    rows = inside.locator("tr.open")
    await expect(rows).to_have_count(1)
    await expect(inside).to_have_url(re.compile(rf"q={bought['order_no']}"))
    await inside.get_by_role("link", name=bought["order_no"]).focus()
    await inside.keyboard.press("Enter")
    address = inside.locator(".t-drawer .address")
    await expect(address).to_have_text(MASKED_PHONE)
    assert not PHONE.search(await address.inner_text())
    await expect(inside.locator(".t-drawer .timeline li").first).to_contain_text("提交订单")

    await inside.get_by_role("button", name="查看完整信息").click()
    dialog = inside.locator(".t-dialog:visible")
    await expect(dialog.get_by_role("button", name="确定")).to_be_disabled()
    # Esc closes what lies on top, and only that.
    await inside.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(address).to_be_visible()
    await inside.get_by_role("button", name="查看完整信息").click()
    await dialog.locator("textarea").fill("快递要求核对地址")
    await dialog.get_by_role("button", name="确定").click()
    await expect(address).to_contain_text(bought["address"]["phone"])
    await expect(address).to_contain_text(bought["address"]["detail"])

    await visit(inside, installation, "/settings/audit")
    newest = inside.locator("table.list tbody tr").first
    await expect(newest).to_contain_text("查看收货信息")
    await expect(newest).to_contain_text("快递要求核对地址")


async def test_the_address_of_a_page_opens_its_order(
    inside: Page, installation: Installation, bought: dict[str, Any]
) -> None:
    await visit(inside, installation, f"/orders?order={bought['order_id']}")
    await expect(inside.locator(".t-drawer .address")).to_be_visible()
    await inside.keyboard.press("Escape")
    await expect(inside.locator(".t-drawer .address")).not_to_be_visible()
    await expect(inside).to_have_url(re.compile(r"/console/orders$"))


async def test_change_a_price_and_find_it_in_shop_and_audit_trail(
    inside: Page, installation: Installation
) -> None:
    found = await ask(inside, installation, "GET", "/products?status=on_shelf&limit=50")
    product = found["items"][-1]
    fen = product["price_fen"] + 101
    await visit(inside, installation, f"/products/{product['product_id']}")
    price = inside.locator(".skus tbody tr").first.locator("input").first
    before = await price.input_value()
    await price.fill("12.345")
    await expect(inside.locator(".skus .t-is-error")).to_have_count(1)
    await price.fill(f"{fen // 100}.{fen % 100:02d}")
    await inside.get_by_role("button", name="保存").click()
    await expect(inside.locator(".t-message")).to_contain_text("已保存")
    async with httpx.AsyncClient(base_url=installation.shop_url, trust_env=False) as http:
        shown = await http.get(
            f"/shop/v1/products/{product['product_id']}",
            headers={"X-Siyu-Shop": installation.shop},
        )
    assert fen in [sku["price_fen"] for sku in shown.json()["skus"]]
    await visit(inside, installation, "/settings/audit")
    newest = inside.locator("table.list tbody tr").first
    await expect(newest).to_contain_text("改价")
    await expect(newest).to_contain_text(f"¥{fen // 100}.{fen % 100:02d}")
    await visit(inside, installation, f"/products/{product['product_id']}")
    await price.fill(before)
    await inside.get_by_role("button", name="保存").click()
    await expect(inside.locator(".t-message")).to_contain_text("已保存")


async def test_stock_changed_meanwhile_is_told_and_tried_again(
    inside: Page, installation: Installation
) -> None:
    await visit(inside, installation, "/stock")
    await inside.locator("table.list").get_by_role("button", name="调整").first.click()
    stock = (await ask(inside, installation, "GET", "/stock?limit=20"))["items"][0]
    change = {"delta": 2, "expected_version": stock["version"], "reason": "到货"}
    await ask(inside, installation, "POST", f"/stock/{stock['sku_id']}/adjust", change)
    dialog = inside.locator(".t-dialog:visible")
    await dialog.locator("input").fill("-2")
    await dialog.locator("textarea").fill("盘点")
    await dialog.get_by_role("button", name="确定").click()
    await expect(dialog.get_by_role("alert")).not_to_be_empty()
    await expect(dialog).to_contain_text(f"{stock['on_hand'] + 2} → {stock['on_hand']}")
    await dialog.get_by_role("button", name="确定").click()
    await expect(dialog).to_have_count(0)
    await inside.locator("table.list").get_by_role("button", name="流水").first.click()
    moved = inside.locator(".t-drawer table.list tbody tr")
    await expect(moved.first).to_contain_text("盘点")
    await expect(moved.nth(1)).to_contain_text("到货")


async def test_an_analyst_sees_figures_and_nothing_else(
    inside: Page, installation: Installation, chromium: Browser
) -> None:
    account = {
        "login_name": "analyst-1",
        "name": "小周",
        "role": "analyst",
        "password": "only-figures-2026",
    }
    await ask(inside, installation, "POST", "/staff", account)
    await expect(inside.get_by_role("link", name="员工与角色")).to_be_visible()
    other = await chromium.new_context(locale="zh-CN")
    try:
        page = await other.new_page()
        await visit(page, installation, "/login")
        inputs = page.locator("form input")
        await inputs.nth(0).fill(account["login_name"])
        await inputs.nth(1).fill(account["password"])
        await page.keyboard.press("Enter")
        await expect(page.locator("ol.funnel > li")).to_have_count(4)
        await expect(page.get_by_role("link", name="经营看板")).to_be_visible()
        await expect(page.get_by_role("link", name="员工与角色")).to_have_count(0)
        await visit(page, installation, "/settings/staff")
        await expect(page.locator("main")).to_contain_text("没有查看此页面的权限")
        await expect(page.locator("main table")).to_have_count(0)
    finally:
        await other.close()


async def test_speaks_english_and_fits_a_phone(inside: Page, installation: Installation) -> None:
    await inside.get_by_role("button", name="Switch to English").click()
    await expect(inside.get_by_role("heading", level=1)).to_have_text("Dashboard")
    await inside.set_viewport_size({"width": 390, "height": 844})
    paths = ("/", "/orders", "/products", "/stock", "/members", "/settings/wechat")
    for path in paths:
        await visit(inside, installation, path)
        await expect(inside.get_by_role("heading", level=1)).to_be_visible()
        await expect(inside.locator("main [role=status]")).to_have_count(0)
        wide = await inside.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, path
        assert not re.search(r"[\u4e00-\u9fff]", await inside.locator("main h1").inner_text())
    await inside.get_by_role("button", name="Menu").click()
    await inside.get_by_role("link", name="Doctor").click()
    await expect(inside.locator("ul.items > li").first).to_be_visible()
    await inside.get_by_role("button", name="切换到中文").click()
    await expect(inside.get_by_role("heading", level=1)).to_have_text("配置体检")


async def test_esc_closes_a_dialog_and_logout_ends_the_session(
    inside: Page, installation: Installation
) -> None:
    await visit(inside, installation, "/settings/staff")
    await inside.get_by_role("button", name="添加员工").click()
    dialog = inside.locator(".t-dialog:visible")
    await expect(dialog).to_have_count(1)
    await inside.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await inside.get_by_role("button", name="我的账号").click()
    await inside.get_by_text("退出登录").click()
    await expect(inside).to_have_url(re.compile(r"/console/login"))
    await visit(inside, installation, "/orders")
    await expect(inside).to_have_url(re.compile(r"/console/login"))
