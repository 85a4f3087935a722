"""Messages on the phone: the popup, a service notice that opens its page, an account to follow."""

from playwright.async_api import Page, expect

from tests.browser.test_phone import Shop, browser, enter, page, sandbox, shop
from tests.wechat.conftest import Server

__all__ = ["browser", "page", "sandbox", "shop"]


async def test_a_consent_becomes_a_message_that_opens_its_page(
    page: Page, sandbox: Server, shop: Shop
) -> None:
    appid = shop.keys["appid"]
    templates = shop.sandbox.get(f"/_sandbox/accounts/{appid}/templates").json()
    gift = next(one for one in templates if one["title"] == "礼物领取提醒")["template_id"]
    frame = await enter(page, sandbox, "p3")
    inner = next(one for one in page.frames if one != page.main_frame)
    await inner.evaluate(f"call('requestSubscribeMessage', {{tmplIds: ['{gift}']}}).then(show), 0")
    popup = page.get_by_role("dialog", name="给你发送以下消息")
    await expect(popup.get_by_label("礼物领取提醒")).to_be_checked()
    await popup.locator('[data-answer="allow"]').click()
    await expect(frame.locator("#out")).to_contain_text(f'"{gift}":"accept"')
    code = shop.sandbox.post("/_sandbox/people/p3/login-code", json={"appid": appid}).json()
    query = {"appid": appid, "secret": shop.keys["secret"]}
    session = {"js_code": code["code"], "grant_type": "authorization_code"}
    openid = shop.sandbox.get("/sns/jscode2session", params=query | session).json()["openid"]
    token = shop.sandbox.post(
        "/cgi-bin/stable_token", json=query | {"grant_type": "client_credential"}
    ).json()["access_token"]
    values = {"thing1": "桂花乌龙", "phrase2": "已领取", "thing3": "对方已填好地址"}
    sent = shop.sandbox.post(
        f"/cgi-bin/message/subscribe/send?access_token={token}",
        json={
            "touser": openid,
            "template_id": gift,
            "page": "pages/gift?id=7",
            "data": {key: {"value": value} for key, value in values.items()},
        },
    )
    assert sent.json()["errcode"] == 0
    await page.get_by_role("button", name="关闭小程序").click()
    await page.locator('[data-chat="service"]').click()
    notice = page.locator('[data-template="礼物领取提醒"]')
    await expect(notice).to_contain_text("桂花乌龙")
    await notice.get_by_role("button", name="查看详情").click()
    address = f"{shop.server.url}/#/pages/gift?id=7"
    await expect(page.locator("iframe")).to_have_attribute("src", address)
    await page.get_by_role("button", name="关闭小程序").click()
    await page.get_by_role("button", name="返回").click()


async def test_somebody_follows_and_writes(page: Page, sandbox: Server, shop: Shop) -> None:
    account = shop.sandbox.get("/_sandbox/accounts?kind=official_account").json()[0]["account"]
    await page.goto(f"{sandbox.url}/phone/?person=p4")
    await page.locator('[data-tab="discover"]').click()
    await page.locator(f'[data-chat="oa:{account}"]').click()
    await page.get_by_role("button", name="关注服务号").click()
    line = page.get_by_label("说点什么…")
    await line.fill("今年的龙井什么时候有？")
    await line.press("Enter")
    await expect(page.locator(".mine .words")).to_have_text("今年的龙井什么时候有？")
    await page.get_by_role("button", name="取消关注").click()
    await expect(page.get_by_role("button", name="关注服务号")).to_be_visible()
