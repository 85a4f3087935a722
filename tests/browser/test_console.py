"""The merchant's console in a real browser, over a real installation."""

import asyncio
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


async def buy(installation: Installation, name: str, phone: str) -> tuple[dict[str, Any], Customer]:
    """A paid order of physical goods, made as a customer makes it, and the customer."""
    async with (
        httpx.AsyncClient(base_url=installation.shop_url, timeout=30, trust_env=False) as http,
        SandboxClient(installation.sandbox_url) as sandbox,
    ):
        dice = random.Random(3)
        dice.random = lambda: 0.0  # type: ignore[method-assign]
        person = await sandbox.add_person(name, phone)
        customer = Customer(person, installation.appid, installation.shop, dice)
        order: dict[str, Any] = {"address": None}
        for _ in range(10):
            assert await customer.visit(http, sandbox) == "paid"
            order = await customer.call(http, "GET", f"/shop/v1/orders/{customer.order_id}")
            if order["address"]:
                break
        assert order["address"] is not None
        for _ in range(100):  # the worker tells the order that its money came
            if order["status"] == "paid":
                break
            await asyncio.sleep(0.2)
            order = await customer.call(http, "GET", f"/shop/v1/orders/{customer.order_id}")
        return order, customer


@pytest.fixture(scope="session")
async def bought(installation: Installation) -> dict[str, Any]:
    """A paid order of physical goods."""
    return (await buy(installation, "许清和", "13900005678"))[0]


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
          const headers = {'X-Siyu-Shop': shop, 'Content-Type': 'application/json',
            'Idempotency-Key': crypto.randomUUID()};
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
    await card.locator("a.help").focus()
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
    await inside.locator("table.list").get_by_role("button", name="管理").first.click()
    drawer = inside.locator(".t-drawer", has_text="各仓库存")
    await drawer.get_by_role("button", name="调整").click()
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
    moved = drawer.locator("table.list").last.locator("tbody tr")
    await expect(moved.first).to_contain_text("盘点")
    await expect(moved.nth(1)).to_contain_text("到货")


async def test_the_proof_is_balanced_and_tells_an_order(
    inside: Page, installation: Installation, bought: dict[str, Any]
) -> None:
    await visit(inside, installation, "/proof")
    await expect(inside.locator(".verdict")).to_contain_text("借贷平衡，0 处违例", timeout=60_000)
    sums = inside.locator("table.list tfoot tr").first.locator("td.num")
    assert await sums.nth(0).inner_text() == await sums.nth(1).inner_text() != "¥0.00"
    await inside.get_by_text("订单资金故事").click()
    await inside.get_by_placeholder("订单号").fill(bought["order_no"])
    await inside.keyboard.press("Enter")
    told = inside.locator("ol.timeline li")
    await expect(told.first).to_contain_text("顾客通过微信支付付款")
    await expect(told.first.locator(".legs")).to_contain_text("销售收入")
    await inside.get_by_role("tab", name="分录").or_(inside.get_by_text("分录")).first.click()
    await expect(inside.locator("table.list tbody").first).to_contain_text("¥")


async def test_ship_an_order_then_complete_it(
    inside: Page, installation: Installation, bought: dict[str, Any]
) -> None:
    await visit(inside, installation, f"/orders?order={bought['order_id']}")
    drawer = inside.locator(".t-drawer")
    await drawer.get_by_role("button", name="发货").click()
    dialog = inside.locator(".t-dialog:visible")
    await dialog.locator(".t-select__wrap").click()
    await inside.get_by_text("顺丰速运", exact=True).last.click()
    await dialog.locator("input").last.fill("SF1022334455")
    await dialog.get_by_role("button", name="确定").click()
    await expect(drawer).to_contain_text("SF1022334455")
    await expect(drawer).to_contain_text("已发货")
    await drawer.get_by_role("button", name="确认完成").click()
    await inside.locator(".t-popconfirm, .t-popup").get_by_role("button", name="确定").click()
    await expect(drawer).to_contain_text("已完成")
    await drawer.get_by_text("资金故事").click()
    await expect(drawer.locator("ol.timeline li").first).to_contain_text("收款")


async def test_the_desk_agrees_and_the_money_goes_back(
    inside: Page, installation: Installation
) -> None:
    order, customer = await buy(installation, "沈怀瑾", "13900005679")
    wish = {
        "kind": "refund_only",
        "reason": "ordered_wrong",
        "lines": [{"line_no": 1, "quantity": order["lines"][0]["quantity"]}],
        "text": "拍错规格了",
    }
    async with httpx.AsyncClient(base_url=installation.shop_url, trust_env=False) as http:
        path = f"/shop/v1/orders/{order['order_id']}/after-sale"
        case = await customer.call(http, "POST", path, wish)
    await visit(inside, installation, "/after-sale")
    await inside.get_by_role("button", name=case["case_no"]).click()
    drawer = inside.locator(".t-drawer")
    await expect(drawer).to_contain_text("拍错规格了")
    await drawer.get_by_role("button", name="同意").click()
    dialog = inside.locator(".t-dialog:visible")
    await expect(dialog).to_contain_text("同意后立即退款")
    await dialog.get_by_role("button", name="确定").click()
    await expect(drawer).to_contain_text(re.compile("退款中|已退款"))
    await visit(inside, installation, "/refunds")
    row = inside.locator("table.list tbody tr").first
    await expect(row).to_contain_text(case["case_no"])
    await row.get_by_role("button").click()
    await expect(inside.locator(".t-drawer ol.timeline li").first).to_contain_text("待提交")


async def test_a_large_bonus_needs_a_reason(inside: Page, installation: Installation) -> None:
    licence = {
        "kind": "single_purpose",
        "number": "330100AAA0001",
        "issuer": "杭州市商务局",
        "valid_from_on": "2020-01-01",
        "valid_until_on": None,
        "accepted": True,
    }
    await ask(inside, installation, "PUT", "/stored-value/licence", licence)
    await visit(inside, installation, "/wallets?tab=offers")
    await inside.get_by_role("button", name="新增档位").click()
    dialog = inside.locator(".t-dialog:visible")
    await dialog.locator("input").nth(0).fill("123")
    await dialog.locator("input").nth(1).fill("36.90")
    await expect(dialog).to_contain_text("30%")
    await expect(dialog.get_by_role("alert")).to_have_count(0)
    await dialog.locator("input").nth(1).fill("36.91")
    await expect(dialog.get_by_role("alert")).to_contain_text("超过 30%")
    await expect(dialog.get_by_role("button", name="确定")).to_be_disabled()
    await dialog.locator("textarea").fill("周年庆限时活动")
    await dialog.get_by_role("button", name="确定").click()
    await expect(inside.locator("table.list")).to_contain_text("周年庆限时活动")


async def test_points_given_by_hand_stand_in_the_statement(
    inside: Page, installation: Installation, bought: dict[str, Any]
) -> None:
    member = (await ask(inside, installation, "GET", "/members?limit=1"))["items"][0]
    await visit(inside, installation, f"/points?member={member['member_id']}")
    drawer = inside.locator(".t-drawer")
    await drawer.get_by_role("button", name="调整积分").click()
    dialog = inside.locator(".t-dialog:visible")
    await dialog.locator("input[type=text], input:not([type])").last.fill("250")
    await dialog.locator("textarea").fill("老会员迁移")
    await dialog.get_by_role("button", name="确定").click()
    first = drawer.locator("table.list tbody tr").first
    await expect(first).to_contain_text("+250")
    await expect(first).to_contain_text("老会员迁移")


async def test_a_rule_over_the_cap_is_not_sent(inside: Page, installation: Installation) -> None:
    await visit(inside, installation, "/splits?tab=rules")
    await inside.get_by_role("button", name="新增规则").click()
    dialog = inside.locator(".t-dialog:visible")
    await dialog.locator("input").first.fill("推广佣金")
    await dialog.locator(".t-select__wrap").first.click()
    await inside.get_by_text("推广带来的订单").last.click()
    share = dialog.get_by_label("比例").last
    await share.fill("30.01")
    await expect(dialog.get_by_role("alert")).to_contain_text("超过上限")
    await expect(dialog.get_by_role("button", name="确定")).to_be_disabled()
    await share.fill("8")
    await dialog.get_by_role("button", name="确定").click()
    await expect(inside.locator("table.list")).to_contain_text("推广佣金")
    await expect(inside.locator("main")).to_contain_text("最多分出 8%")


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
        await expect(page.get_by_role("link", name="资金证明")).to_have_count(0)
        await visit(page, installation, "/settings/staff")
        await expect(page.locator("main")).to_contain_text("没有查看此页面的权限")
        await expect(page.locator("main table")).to_have_count(0)
    finally:
        await other.close()


async def test_speaks_english_and_fits_a_phone(inside: Page, installation: Installation) -> None:
    await inside.get_by_role("button", name="Switch to English").click()
    await expect(inside.get_by_role("heading", level=1)).to_have_text("Dashboard")
    await inside.set_viewport_size({"width": 390, "height": 844})
    paths = (
        "/", "/orders", "/products", "/stock", "/members", "/settings/wechat", "/after-sale",
        "/proof", "/reconciliation", "/refunds", "/suspense", "/splits", "/payouts", "/wallets",
        "/points",
    )  # fmt: skip
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
