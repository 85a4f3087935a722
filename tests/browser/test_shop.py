"""The shop as customers meet it: in the phone one can buy, in a browser one can look.

Labels are looked up in the shop's own word lists, so a reworded button does not break a test.
"""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, FrameLocator, Locator, Page, expect

from tests.browser.conftest import Installation, Watched

SHOP = Path(__file__).parents[2] / "web" / "shop"
BUILT = Path(__file__).parents[2] / "siyu" / "web" / "h5"
WORDS: dict[str, dict[str, str]] = {
    locale: json.loads((SHOP / "src" / "words" / f"{locale}.json").read_text("utf-8"))
    for locale in ("zh-CN", "en")
}
ZH = WORDS["zh-CN"]
ADDRESS = ["林小满", "13812345678", "浙江省", "杭州市", "西湖区", "龙井路 88 号 3 幢 201"]
JS_LIMIT, ALL_JS_LIMIT = 150 * 1024, 220 * 1024
"""For the first screen, and with every page that comes when it is opened."""
LCP_LIMIT_MS = 1500

Shop = FrameLocator | Page


def button(shop: Shop, word: str) -> Locator:
    return shop.get_by_role("button", name=ZH[word], exact=True).locator("visible=true")


async def enter(page: Page, installation: Installation, person: str) -> FrameLocator:
    """Choose somebody in the phone and open the shop; its home page is then there."""
    await page.goto(f"{installation.sandbox_url}/phone/")
    await page.locator(f".lock [data-person={person}]").click()
    await page.locator(".minis button").first.click()
    shop = page.frame_locator(".mini iframe")
    await expect(shop.locator(".pc").first).to_be_visible()
    return shop


async def answer_privacy(shop: Shop, word: str) -> None:
    await expect(shop.get_by_role("dialog")).to_contain_text(ZH["gate.privacy.title"])
    await button(shop, word).click()
    await expect(shop.get_by_role("dialog")).to_have_count(0)


async def choose_options(shop: Shop) -> None:
    """Take the first value that can be had of every option."""
    sheet = shop.get_by_role("dialog")
    for group in await sheet.get_by_role("radiogroup").all():
        if not await group.locator("[aria-checked=true]").count():
            await group.locator("[role=radio]:not([aria-disabled=true])").first.click()


async def buy_first_product(page: Page, shop: FrameLocator, logs_in: bool = True) -> None:
    """From the home page to the confirm page, with an address."""
    await shop.locator(".pc").first.click()
    await button(shop, "product.buyNow").click()
    await choose_options(shop)
    await shop.get_by_role("dialog").get_by_role("button", name=ZH["product.buyNow"]).click()
    if logs_in:
        await page.locator("[data-answer=allow]").click()  # the phone asks once for each person
    await expect(shop.get_by_text(ZH["order.total"], exact=True).first).to_be_visible()
    new_address = shop.get_by_text(ZH["confirm.addAddress"])
    if await new_address.count():
        await new_address.click()
        await button(shop, "common.save").click()
        await expect(shop.get_by_role("alert")).to_have_count(len(ADDRESS))
        for field, value in zip(await shop.locator(".form input").all(), ADDRESS, strict=True):
            await field.fill(value)
        await button(shop, "common.save").click()
    await expect(shop.get_by_text(ADDRESS[0])).to_be_visible()


async def type_password(page: Page) -> None:
    for key in "135790":
        await page.locator(f".pad [data-key='{key}']").click()


async def test_buying_in_the_phone_in_three_steps(page: Page, installation: Installation) -> None:
    shop = await enter(page, installation, "p1")
    await answer_privacy(shop, "gate.privacy.yes")
    await buy_first_product(page, shop)
    total = await shop.locator(".bar .s-price").inner_text()
    await shop.get_by_text(ZH["confirm.why"]).click()
    await expect(shop.locator(".trace__sum")).to_contain_text(total)
    await button(shop, "confirm.submit").click()
    await expect(page.get_by_role("dialog")).to_contain_text(total)
    await type_password(page)
    await page.locator("[data-answer=done]").click()
    await expect(shop.get_by_text(ZH["paid.done"], exact=True)).to_be_visible()
    await button(shop, "paid.see").click()
    await expect(shop.locator(".now")).to_contain_text(ZH["order.status.paid"])
    await expect(shop.locator(".step")).not_to_have_count(0)
    await expect(shop.locator(".total .s-price")).to_have_text(total)


async def test_an_unpaid_order_waits_and_can_be_cancelled(
    page: Page, installation: Installation
) -> None:
    shop = await enter(page, installation, "p2")
    await answer_privacy(shop, "gate.privacy.yes")
    await buy_first_product(page, shop)
    await button(shop, "confirm.submit").click()
    await page.locator("[data-answer=cancel]").click()
    await expect(shop.get_by_text(ZH["paid.cancelled"], exact=True)).to_be_visible()
    await button(shop, "paid.see").click()
    await expect(shop.locator(".now")).to_contain_text(
        re.compile(ZH["order.payWithin"].replace("{time}", r"\d+:\d\d"))
    )
    await button(shop, "order.cancel").click()
    await button(shop, "order.reason.mind").click()
    await expect(shop.locator(".now")).to_contain_text(ZH["order.status.cancelled"])
    await expect(button(shop, "order.payNow")).to_have_count(0)


async def test_value_paid_in_pays_an_order_that_is_then_asked_back(
    page: Page, installation: Installation
) -> None:
    shop = await enter(page, installation, "p5")
    await answer_privacy(shop, "gate.privacy.yes")
    await shop.get_by_role("link", name=ZH["tab.me"]).locator("visible=true").last.click()
    await button(shop, "me.login").click()
    await page.locator("[data-answer=allow]").click()
    await shop.get_by_role("link", name=ZH["wallet.title"]).click()
    await shop.get_by_role("radio", name="¥500").click()
    await shop.get_by_role("button", name=ZH["wallet.pay"].format(sum="¥500.00")).click()
    await type_password(page)
    await page.locator("[data-answer=done]").click()
    await expect(shop.locator(".hero__n")).to_have_text("¥580.00")
    await expect(shop.locator(".s-led__in").first).to_have_text("+¥580.00")

    await shop.get_by_role("button", name=ZH["common.back"]).locator("visible=true").click()
    await shop.get_by_role("link", name=ZH["tab.home"]).locator("visible=true").last.click()
    await buy_first_product(page, shop, logs_in=False)
    total = await shop.locator(".bar .s-price").inner_text()
    await shop.get_by_role("checkbox", name=ZH["confirm.balance"]).click()
    await expect(shop.locator(".bar .s-price")).to_have_text("¥0.00")
    await button(shop, "confirm.submitPaid").click()
    await expect(shop.get_by_text(ZH["paid.done"], exact=True)).to_be_visible()
    await button(shop, "paid.see").click()
    by_balance = shop.locator(".between", has_text=ZH["order.byBalance"])
    await expect(by_balance).to_contain_text(total)

    await shop.get_by_role("link", name=ZH["case.ask"], exact=True).click()
    await shop.get_by_role("button", name=ZH["case.reason"]).click()
    await shop.get_by_role("dialog").get_by_role("radio").first.click()
    async with page.expect_file_chooser() as asked:
        await shop.get_by_role("button", name=ZH["case.addPicture"]).click()
    await (await asked.value).set_files(next(SHOP.rglob("static/tab/me.png")))
    await expect(shop.locator(".count")).to_contain_text("1/9")
    await button(shop, "case.submit").click()
    await expect(shop.get_by_role("status")).to_contain_text(ZH["case.state.requested"])
    await expect(shop.locator(".pic img")).to_have_attribute("src", re.compile("^blob:"))
    await button(shop, "case.withdraw").click()
    await shop.locator(".uni-modal__btn_primary").click()
    await expect(shop.get_by_role("status")).to_contain_text(ZH["case.state.withdrawn"])


async def test_the_cart_keeps_what_the_server_says(page: Page, installation: Installation) -> None:
    shop = await enter(page, installation, "p3")
    await answer_privacy(shop, "gate.privacy.yes")
    await shop.locator(".pc").first.click()
    await button(shop, "product.addToCart").click()
    await choose_options(shop)
    await shop.get_by_role("dialog").get_by_role("button", name=ZH["product.addToCart"]).click()
    await page.locator("[data-answer=allow]").click()
    await expect(shop.get_by_text(ZH["product.added"])).to_be_visible()
    await shop.get_by_role("link", name=ZH["tab.cart"]).locator("visible=true").last.click()
    line = shop.locator(".line")
    await expect(line).to_have_count(1)
    price = float((await line.locator(".s-price").inner_text()).replace("¥", "").replace(",", ""))
    await line.get_by_role("button", name=ZH["common.more"]).click()
    await expect(shop.locator(".sum .s-price")).to_have_text(f"¥{price * 2:,.2f}")
    await line.get_by_role("checkbox").click()
    await expect(shop.locator(".sum .s-price")).to_have_text("¥0.00")
    await line.locator(".line__x").click()
    await shop.locator(".uni-modal__btn_primary").click()
    await expect(shop.get_by_text(ZH["cart.empty"])).to_be_visible()


async def test_refusing_costs_nothing_but_the_purchase(
    page: Page, installation: Installation
) -> None:
    collected: list[str] = []
    page.on("request", lambda one: collected.append(one.url) if "/collect/" in one.url else None)
    shop = await enter(page, installation, "p4")
    await answer_privacy(shop, "gate.privacy.no")
    await shop.locator(".pc").first.click()
    await button(shop, "product.buyNow").click()
    await choose_options(shop)
    await shop.get_by_role("dialog").get_by_role("button", name=ZH["product.buyNow"]).click()
    dialog = shop.get_by_role("dialog")
    await expect(dialog).to_contain_text(ZH["gate.why.buy"])  # asked again, at a good moment
    await button(shop, "gate.privacy.no").click()
    await expect(shop.get_by_text(ZH["gate.declined"])).to_be_visible()
    await expect(shop.locator(".foot")).to_be_visible()
    assert collected == []


@pytest.fixture
async def browser_page(chromium: Browser, installation: Installation) -> AsyncIterator[Page]:
    """The shop's home page in an ordinary browser on a small screen."""
    context = await chromium.new_context(viewport={"width": 375, "height": 812}, locale="zh-CN")
    watched = Watched(context, (installation.shop_url,))
    page = await context.new_page()
    await page.goto(f"{installation.shop_url}/h5/?shop={installation.shop}")
    await expect(page.locator(".pc").first).to_be_visible()
    yield page
    await context.close()
    assert watched.foreign == []
    assert watched.complaints == []


async def test_a_browser_may_look_and_is_told_where_to_buy(browser_page: Page) -> None:
    await answer_privacy(browser_page, "gate.privacy.yes")
    await browser_page.locator(".pc").first.click()
    await button(browser_page, "product.buyNow").click()
    await choose_options(browser_page)
    await (
        browser_page.get_by_role("dialog").get_by_role("button", name=ZH["product.buyNow"]).click()
    )
    await expect(browser_page.get_by_role("dialog")).to_contain_text(ZH["gate.wechat.title"])


async def test_a_keyboard_is_enough(browser_page: Page) -> None:
    dialog = browser_page.get_by_role("dialog")
    await expect(dialog).to_be_focused()
    for _ in range(8):  # Tab stays inside the open sheet
        await browser_page.keyboard.press("Tab")
        assert await browser_page.evaluate(
            "document.activeElement.closest('.s-sheet__body') !== null"
        )
    await button(browser_page, "gate.privacy.no").press("Enter")
    await expect(dialog).to_have_count(0)
    await browser_page.locator(".pc").first.press("Enter")
    await button(browser_page, "product.addToCart").press("Enter")
    await expect(dialog).to_be_visible()
    await browser_page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)


UNNAMED = """() => [...document.querySelectorAll(
    '[role=button],[role=link],[role=checkbox],[role=radio],[role=tab],[role=switch],img,input')]
  .filter((element) => element.offsetParent !== null)
  .filter((element) => element.tagName === 'IMG' ? !element.hasAttribute('alt')
    : element.tagName === 'INPUT' ? !element.closest('[aria-label]')
    : !element.getAttribute('aria-label') && !element.textContent.trim())
  .map((element) => element.outerHTML.slice(0, 160))"""


@pytest.mark.parametrize(
    "route",
    [
        "pages/home/home",
        "pages/categories/categories",
        "pages/cart/cart",
        "pages/me/me",
        "commerce/catalog/list",
        "people/consents/privacy",
    ],
)
async def test_everything_that_can_be_pressed_has_a_name(browser_page: Page, route: str) -> None:
    await browser_page.evaluate("route => { location.hash = '/' + route }", route)
    await expect(browser_page.get_by_role("heading", level=1).or_(
        browser_page.get_by_role("search")
    ).locator("visible=true").first).to_be_visible()  # fmt: skip
    assert await browser_page.evaluate(UNNAMED) == []
    assert await browser_page.evaluate("document.documentElement.scrollWidth") <= 375


async def test_a_failure_offers_to_try_again(browser_page: Page) -> None:
    await browser_page.route("**/shop/v1/products?*", lambda route: route.abort())
    await browser_page.evaluate("location.hash = '/commerce/catalog/list'")
    await expect(browser_page.get_by_text(ZH["error.network"])).to_be_visible()
    await browser_page.unroute("**/shop/v1/products?*")
    await browser_page.get_by_role("dialog").get_by_role("button").last.click()
    await button(browser_page, "common.retry").click()
    await expect(browser_page.locator(".grid .pc").locator("visible=true").first).to_be_visible()


async def test_nothing_found_says_so(browser_page: Page) -> None:
    await answer_privacy(browser_page, "gate.privacy.no")
    await browser_page.evaluate("location.hash = '/commerce/catalog/list?q=' + '没有这样的商品'")
    await expect(browser_page.get_by_text(ZH["list.noneHint"])).to_be_visible()
    await button(browser_page, "list.seeAll").click()
    await expect(browser_page.locator(".grid .pc").locator("visible=true").first).to_be_visible()


def test_english_is_complete() -> None:
    holes = re.compile(r"{\w+}")
    assert WORDS["en"].keys() == ZH.keys()
    for word, text in WORDS["en"].items():
        assert text, word
        assert not re.search(r"[\u3000-\u9fff\uff00-\uffef]", text), word
        assert sorted(holes.findall(text)) == sorted(holes.findall(ZH[word])), word


async def test_english_speaks_on_every_tab(chromium: Browser, installation: Installation) -> None:
    context = await chromium.new_context(viewport={"width": 375, "height": 812}, locale="en-GB")
    page = await context.new_page()
    await page.goto(f"{installation.shop_url}/h5/?shop={installation.shop}")
    await expect(page.locator(".pc").first).to_be_visible()
    english = WORDS["en"]
    for tab in ("home", "categories", "cart", "me"):
        await expect(
            page.locator(".uni-tabbar__label", has_text=re.compile(f"^{english[f'tab.{tab}']}$"))
        ).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == "en"
    await context.close()


async def test_the_program_is_small(chromium: Browser, installation: Installation) -> None:
    packed = {file.stem: file.stat().st_size for file in BUILT.rglob("*.js.gz")}
    assert set(packed) == {file.name for file in BUILT.rglob("*.js")} != set()
    assert sum(packed.values()) <= ALL_JS_LIMIT
    context = await chromium.new_context(viewport={"width": 375, "height": 812})
    page, loaded = await context.new_page(), set()
    page.on("request", lambda request: loaded.add(request.url.rpartition("/")[2]))
    await page.goto(f"{installation.shop_url}/h5/?shop={installation.shop}")
    await expect(page.locator(".pc").first).to_be_visible(timeout=30_000)
    await page.wait_for_load_state("networkidle")
    await context.close()
    assert 0 < sum(packed[name] for name in loaded & set(packed)) <= JS_LIMIT


LCP = """new Promise((done) => new PerformanceObserver((list) => {
    const last = list.getEntries().at(-1); if (last) done(last.startTime) })
  .observe({type: 'largest-contentful-paint', buffered: true}))"""


async def first_screen_ms(context: BrowserContext, url: str) -> float:
    """LCP at 10 Mbit/s and 40 ms with a quarter of the processor."""
    page = await context.new_page()
    wire: Any = await context.new_cdp_session(page)
    await wire.send("Network.enable")
    await wire.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 40, "downloadThroughput": 1.25e6, "uploadThroughput": 1.25e6},
    )
    await wire.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    await page.goto(url)
    await expect(page.locator(".pc").first).to_be_visible(timeout=30_000)
    await page.wait_for_timeout(500)
    return float(await page.evaluate(LCP))


async def test_the_first_screen_is_there_in_time(
    chromium: Browser, installation: Installation
) -> None:
    """The best of five fresh visits: the machine's other work is not the shop's."""
    seen: list[float] = []
    for _ in range(5):
        context = await chromium.new_context(viewport={"width": 375, "height": 812})
        url = f"{installation.shop_url}/h5/?shop={installation.shop}"
        seen.append(await first_screen_ms(context, url))
        await context.close()
        if seen[-1] <= LCP_LIMIT_MS:
            return
    pytest.fail(f"largest contentful paint after {seen} ms")
