"""The phone in a real browser: choose somebody, open a shop, log in, pay, cancel, fail, read.

The shop here is a page of a few buttons on its own origin that speaks the bridge; its server
makes orders in the sandbox with the wire of `siyu.wechat.transport`.
"""

import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, Response, get, post
from playwright.async_api import Browser, FrameLocator, Page, async_playwright, expect

from siyu.kernel import clock
from siyu.sandbox.app import SandboxSettings, create_sandbox
from siyu.wechat.transport import service as transport
from tests.wechat.conftest import Server, encode, start_server

PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>shop</title>
<meta name="viewport" content="width=device-width">
<style>body{font:16px sans-serif;margin:0;padding:60px 20px;background:#faf7f0}
button{display:block;margin:10px 0;padding:10px 16px}pre{white-space:pre-wrap}</style>
<h1>Tea</h1><div id="bar"></div><pre id="out"></pre><script>
let n = 0; const waiting = new Map();
const call = (name, args) => new Promise((done) => {
  const id = ++n; waiting.set(id, done);
  parent.postMessage({siyu: 1, id, call: name, args}, '*'); });
addEventListener('message', (event) => { const d = event.data;
  if (d.call === 'hello') { greeted(d); return; }
  waiting.get(d.id)?.(d); });
let greeted; const greeting = new Promise((done) => { greeted = done; });
parent.postMessage({siyu: 1, call: 'hello'}, '*');
const show = (value) => { document.getElementById('out').textContent = JSON.stringify(value); };
const acts = {
  login: async () => { const a = await call('login');
    return a.ok ? (await fetch('/session?code=' + a.result.code)).json() : a; },
  phone: async () => { const a = await call('getPhoneNumber');
    return a.ok ? (await fetch('/phone?code=' + a.result.code)).json() : a; },
  profile: () => call('getUserProfile'),
  buy: async () => call('requestPayment', await (await fetch('/buy', {method: 'POST'})).json()),
  forged: async () => { const a = await (await fetch('/buy', {method: 'POST'})).json();
    return call('requestPayment', {...a, nonceStr: 'other'}); },
  take: async () => call('requestMerchantTransfer',
    await (await fetch('/payout', {method: 'POST'})).json()),
  share: () => call('share', {title: '明前龙井', path: 'pages/product?id=1'}),
  strange: () => call('constructor'), leave: () => call('close'), hello: () => greeting,
};
for (const [name, act] of Object.entries(acts)) { const b = document.createElement('button');
  b.textContent = name; b.onclick = async () => { show('…'); show(await act()); };
  document.getElementById('bar').append(b); }
</script></html>"""


class Shop:
    """The merchant's server behind that page."""

    def __init__(self, sandbox: Server) -> None:
        self.sandbox = httpx.Client(base_url=sandbox.url, trust_env=False)
        self.keys: dict[str, Any] = self.sandbox.get("/_sandbox/credentials").json()
        self.openid = ""
        self.numbers: list[str] = []
        self.notified = 0

        @get("/", media_type="text/html")
        async def page() -> str:
            return PAGE

        @get("/session")
        async def session(code: str) -> dict[str, Any]:
            query = {"appid": self.keys["appid"], "secret": self.keys["secret"], "js_code": code}
            grant = {"grant_type": "authorization_code"}
            answer = self.sandbox.get("/sns/jscode2session", params=query | grant).json()
            self.openid = answer.get("openid", "")
            return {"errcode": answer.get("errcode", 0), "known": bool(self.openid)}

        @get("/phone")
        async def phone(code: str) -> Any:
            query = {"appid": self.keys["appid"], "secret": self.keys["secret"]}
            token = self.sandbox.post(
                "/cgi-bin/stable_token", json=query | {"grant_type": "client_credential"}
            ).json()["access_token"]
            return self.sandbox.post(
                f"/wxa/business/getuserphonenumber?access_token={token}", json={"code": code}
            ).json()["phone_info"]["phoneNumber"]

        @post("/buy", status_code=200)
        async def buy() -> dict[str, str]:
            return self.make_order()

        @post("/payout", status_code=200)
        async def payout() -> dict[str, str]:
            package = self.make_transfer()
            return {"mchId": self.keys["mchid"], "appId": self.keys["appid"], "package": package}

        @post("/notify", status_code=200)
        async def notify(request: Request[Any, Any, Any]) -> Response[None]:
            ring = transport.KeyRing({self.keys["public_key_id"]: self.keys["public_key_pem"]})
            body = await request.body()
            try:
                transport.verify_headers(ring, request.headers, body, clock.now())
            except Exception:
                return Response(None, status_code=401)
            self.notified += 1
            return Response(None, status_code=204)

        for person in ("p1", "p2", "p3", "p4", "p5"):
            self.sandbox.delete(f"/_sandbox/people/{person}/grants/{self.keys['appid']}")
        self.server = start_server(
            Litestar([page, session, phone, buy, payout, notify], openapi_config=None)
        )
        self.sandbox.patch(
            f"/_sandbox/apps/{self.keys['appid']}", json={"shop_url": f"{self.server.url}/"}
        )

    def call(self, target: str, body: bytes) -> dict[str, Any]:
        """A signed call to WeChat."""
        now = int(clock.now().timestamp())
        header = transport.authorization(
            "POST", target, body, mchid=self.keys["mchid"], serial_no=self.keys["serial_no"],
            timestamp=now, nonce=secrets.token_hex(8), private_key_pem=self.keys["private_key_pem"],
        )  # fmt: skip
        answer = self.sandbox.post(target, content=body, headers={"Authorization": header})
        return dict(answer.raise_for_status().json())

    def make_transfer(self) -> str:
        """Money for whoever is logged in; the package_info."""
        self.sandbox.post(f"/_sandbox/bank/{self.keys['mchid']}/deposit", json={"fen": 6600})
        reports = [{"info_type": "岗位类型", "info_content": "团长"},
                   {"info_type": "报酬说明", "info_content": "佣金"}]  # fmt: skip
        transfer = {
            "appid": self.keys["appid"],
            "out_bill_no": "T" + secrets.token_hex(8),
            "transfer_scene_id": "1005",
            "openid": self.openid,
            "transfer_amount": 6600,
            "transfer_remark": "十一月佣金",
            "transfer_scene_report_infos": reports,
        }
        made = self.call("/v3/fund-app/mch-transfer/transfer-bills", encode(transfer))
        return str(made["package_info"])

    def refund(self) -> None:
        """Give the last order back."""
        amount = {"refund": 12800, "total": 12800, "currency": "CNY"}
        number = self.numbers[-1]
        refund = {"out_trade_no": number, "out_refund_no": f"R{number}", "amount": amount}
        self.call("/v3/refund/domestic/refunds", encode(refund | {"reason": "不想要了"}))

    def make_order(self) -> dict[str, str]:
        """Create at WeChat, sign for the page."""
        self.numbers.append("W" + secrets.token_hex(8))
        body = encode(
            {
                "appid": self.keys["appid"],
                "mchid": self.keys["mchid"],
                "description": "明前龙井 50g 礼盒",
                "out_trade_no": self.numbers[-1],
                "notify_url": f"{self.server.url}/notify",
                "amount": {"total": 12800},
                "payer": {"openid": self.openid},
            }
        )
        made = self.call("/v3/pay/transactions/jsapi", body)
        stamp, nonce = str(int(clock.now().timestamp())), secrets.token_hex(8)
        package = "prepay_id=" + made["prepay_id"]
        text = transport.pay_message(self.keys["appid"], stamp, nonce, package)
        return {
            "timeStamp": stamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": transport.sign(text, self.keys["private_key_pem"]),
        }

    def state(self) -> list[str]:
        orders = self.sandbox.get("/_sandbox/orders").json()
        return [order["state"] for order in orders if order["out_trade_no"] in self.numbers]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("phone")
    server = start_server(create_sandbox(SandboxSettings(data_dir=home, time_factor=60)))
    yield server
    server.stop()


@pytest.fixture
def shop(sandbox: Server) -> Iterator[Shop]:
    shop = Shop(sandbox)
    yield shop
    shop.sandbox.delete("/_sandbox/faults")
    shop.server.stop()


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "Chromium is needed for the browser tests"
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, sandbox: Server, shop: Shop) -> AsyncIterator[Page]:
    """A desk of usual size; nothing may be asked from elsewhere, nothing may be logged as wrong."""
    page = await browser.new_page(
        viewport={"width": 1440, "height": 920},
        locale="zh-CN",
        reduced_motion="reduce",  # a frame that slides in is missed by clicks
    )
    foreign: list[str] = []
    wrong: list[str] = []
    own = (sandbox.url, shop.server.url, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(own) else foreign.append(r.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    await page.close()
    assert (foreign, wrong) == ([], [])


async def enter(page: Page, sandbox: Server, person: str = "p1") -> FrameLocator:
    """Choose somebody and open the shop."""
    await page.goto(f"{sandbox.url}/phone/")
    await page.locator(f".lock [data-person={person}]").click()
    await page.locator(".minis button").first.click()
    frame = page.frame_locator(".mini iframe")
    await expect(frame.locator("h1")).to_have_text("Tea")
    return frame


async def log_in(page: Page, frame: FrameLocator) -> None:
    await frame.get_by_text("login", exact=True).click()
    await page.locator("[data-answer=allow]").last.click()
    await expect(frame.locator("#out")).to_contain_text('"known":true')


async def type_password(page: Page) -> None:
    for key in "135790":
        await page.locator(f".pad [data-key='{key}']").click()


async def test_buying_from_the_first_tap_to_the_receipt(
    page: Page, sandbox: Server, shop: Shop
) -> None:
    frame = await enter(page, sandbox)
    await log_in(page, frame)
    await frame.get_by_text("buy").click()
    sheet = page.get_by_role("dialog")
    await expect(sheet).to_contain_text("¥128.00")
    await expect(sheet).to_contain_text("思屿茶事")
    await type_password(page)
    await page.locator("[data-answer=done]").last.click()
    await expect(frame.locator("#out")).to_contain_text('"ok":true')
    assert shop.state() == ["SUCCESS"]
    await page.get_by_label("关闭小程序").click()
    await page.locator("[data-chat=pay]").click()
    await expect(page.locator(".letter").last).to_contain_text("¥128.00")
    await expect(page.locator(".letter").last).to_contain_text("明前龙井")
    await expect(page.locator(".notice").first).to_contain_text("204")
    assert shop.notified == 1


async def test_a_refund_is_told_and_a_transfer_is_taken(
    page: Page, sandbox: Server, shop: Shop
) -> None:
    frame = await enter(page, sandbox, "p2")
    await log_in(page, frame)
    await frame.get_by_text("buy").click()
    await type_password(page)
    await page.locator("[data-answer=done]").last.click()
    await expect(frame.locator("#out")).to_contain_text('"ok":true')
    shop.refund()
    await frame.get_by_text("take").click()
    await expect(page.get_by_role("dialog")).to_contain_text("¥66.00")
    await page.locator("[data-answer=confirm]").last.click()
    await page.locator("[data-answer=done]").last.click()
    await expect(frame.locator("#out")).to_contain_text('"ok":true')
    shop.make_transfer()
    await frame.get_by_text("take").click()
    await page.locator("[data-answer=decline]").last.click()
    await expect(frame.locator("#out")).to_contain_text("requestMerchantTransfer:fail cancel")
    await page.get_by_label("关闭小程序").click()
    await page.locator("[data-chat=pay]").click()
    letters = page.locator(".letter")
    await expect(letters.filter(has_text="退款到账通知")).to_contain_text("不想要了")
    await expect(letters.filter(has_text="已存入零钱")).to_have_count(1)
    await expect(letters.filter(has_text="已退回商户")).to_have_count(1)
    await letters.get_by_role("button", name="确认收款").click()
    await page.locator("[data-answer=confirm]").last.click()
    await page.locator("[data-answer=done]").last.click()
    await expect(letters.filter(has_text="已存入零钱")).to_have_count(2)
    await expect(letters.get_by_role("button", name="确认收款")).to_have_count(0)


async def test_cancelling_and_failing_leave_the_order_open(
    page: Page, sandbox: Server, shop: Shop
) -> None:
    frame = await enter(page, sandbox)
    await log_in(page, frame)
    await frame.get_by_text("buy").click()
    await page.locator("[data-answer=cancel]").last.click()
    await expect(frame.locator("#out")).to_contain_text("requestPayment:fail cancel")
    await frame.get_by_text("buy").click()
    await page.locator("[data-answer=fail]").last.click()
    await expect(page.get_by_role("dialog")).to_contain_text("扣款失败")
    await page.locator("[data-answer=ok]").last.click()
    await expect(frame.locator("#out")).to_contain_text("requestPayment:fail 银行卡扣款失败")
    assert shop.state() == ["NOTPAY", "NOTPAY"]


async def test_a_bad_pay_sign_never_opens_the_sheet(
    page: Page, sandbox: Server, shop: Shop
) -> None:
    frame = await enter(page, sandbox)
    await log_in(page, frame)
    await frame.get_by_text("forged").click()
    await expect(page.get_by_role("dialog")).to_contain_text("支付验证签名失败")
    await page.locator("[data-answer=ok]").last.click()
    await expect(frame.locator("#out")).to_contain_text("requestPayment:fail 支付验证签名失败")


async def test_refusing_is_respected(page: Page, sandbox: Server, shop: Shop) -> None:
    frame = await enter(page, sandbox, "p4")
    await frame.get_by_text("login", exact=True).click()
    await page.locator("[data-answer=refuse]").last.click()
    await expect(frame.locator("#out")).to_contain_text("login:fail auth deny")
    await frame.get_by_text("phone").click()
    await page.locator("[data-answer=refuse]").last.click()
    await expect(frame.locator("#out")).to_contain_text("getPhoneNumber:fail user deny")
    await frame.get_by_text("profile").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(frame.locator("#out")).to_contain_text("getUserProfile:fail auth deny")


async def test_the_phone_number_when_allowed(page: Page, sandbox: Server, shop: Shop) -> None:
    frame = await enter(page, sandbox, "p2")
    await frame.get_by_text("phone").click()
    await expect(page.get_by_role("dialog")).to_contain_text("138****8002")
    await page.locator("[data-answer=allow]").last.click()
    await expect(frame.locator("#out")).to_contain_text("13800138002")


async def test_sharing_reaches_the_friend(page: Page, sandbox: Server, shop: Shop) -> None:
    frame = await enter(page, sandbox, "p1")
    await frame.get_by_text("share").click()
    await page.locator("[data-friend=p3]").click()
    await expect(frame.locator("#out")).to_contain_text('"ok":true')
    await page.goto(f"{sandbox.url}/phone/?person=p3")
    await page.locator("[data-chat=p1]").click()
    await page.locator(".card").click()
    await expect(page.frame_locator(".mini iframe").locator("h1")).to_have_text("Tea")
    assert (await page.locator(".mini iframe").get_attribute("src") or "").endswith(
        "#/pages/product?id=1"
    )


async def test_what_is_sent_to_the_group_reaches_everybody(
    page: Page, sandbox: Server, shop: Shop
) -> None:
    frame = await enter(page, sandbox, "p1")
    await frame.get_by_text("share").click()
    await page.locator("[data-friend=group]").click()
    await expect(frame.locator("#out")).to_contain_text('"ok":true')
    for person in ("p2", "p3"):
        await page.goto(f"{sandbox.url}/phone/?person={person}")
        await page.locator("[data-chat=group]").click()
        await expect(page.locator(".said:not(.mine) .card")).to_have_count(1)
    await page.locator(".card").click()
    await expect(page.frame_locator(".mini iframe").locator("h1")).to_have_text("Tea")
    await page.goto(f"{sandbox.url}/phone/?person=p1")
    await page.locator("[data-chat=group]").click()
    await expect(page.locator(".said.mine .card")).to_have_count(1)


async def test_the_bridge_tells_the_page_where_it_is(
    page: Page, sandbox: Server, shop: Shop
) -> None:
    frame = await enter(page, sandbox, "p5")
    await frame.get_by_text("hello").click()
    out = frame.locator("#out")
    await expect(out).to_contain_text('"platform":"sandbox-phone"')
    await expect(out).to_contain_text('"account":"p5"')
    await expect(out).to_contain_text('"width":87,"height":32')
    await frame.get_by_text("strange").click()
    await expect(out).to_contain_text("constructor:fail not supported")


async def test_a_page_of_another_origin_is_not_listened_to(
    page: Page, sandbox: Server, shop: Shop
) -> None:
    frame = await enter(page, sandbox, "p5")
    await page.evaluate(
        "window.heard = 0; addEventListener('message', () => { window.heard += 1; });"
        "window.postMessage({siyu: 1, id: 9, call: 'login'}, '*')"
    )
    await page.wait_for_function("window.heard === 1")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    foreign = await page.request.post(
        f"{sandbox.url}/_sandbox/people/p1/login-code",
        data={"appid": shop.keys["appid"]},
        headers={"Origin": shop.server.url},
    )
    assert foreign.status == 403
    await frame.get_by_text("leave").click()
    await expect(page.locator(".home")).to_be_visible()


async def test_operators_order_a_fault_and_see_the_tries(
    page: Page, sandbox: Server, shop: Shop
) -> None:
    frame = await enter(page, sandbox)
    await log_in(page, frame)
    await page.locator("[data-tab=tabFaults]").click()
    for fault in ("probe", "drop"):
        await page.locator(f"[data-fault='{fault}@notify']").click()
    await expect(page.locator(".ordered li")).to_have_count(2)
    await frame.get_by_text("buy").click()
    await type_password(page)
    await page.locator("[data-answer=done]").last.click()
    await page.locator("[data-tab=tabNotices]").click()
    tries = page.locator(".notice").first.locator("li")
    await expect(tries).to_have_count(3)
    await expect(tries.nth(0)).to_contain_text("探测")
    await expect(tries.nth(0)).to_contain_text("401")
    await expect(tries.nth(1)).to_contain_text("丢失")
    await expect(tries.nth(2)).to_contain_text("204")
    await expect(page.locator(".verdict.good")).to_be_visible()


async def test_english_and_a_real_small_screen(
    browser: Browser, sandbox: Server, shop: Shop
) -> None:
    page = await browser.new_page(viewport={"width": 390, "height": 760}, has_touch=True)
    await page.goto(f"{sandbox.url}/phone/")
    await page.locator(".glass").click()
    await expect(page.locator(".choose")).to_contain_text("Choose a person")
    await page.locator("[data-person=p1]").click()
    box = await page.locator(".device").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 390, "height": 760}
    await page.locator("[data-tab=me]").click()
    await page.get_by_text("Sandbox panel").click()
    await expect(page.locator(".panel")).to_be_visible()
    await page.get_by_label("Close panel").click()
    await expect(page.locator(".panel")).to_be_hidden()
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    await page.close()
