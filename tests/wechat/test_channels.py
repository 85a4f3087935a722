"""Our clients of mini-program messages, official account and WeCom against a local WeChat, and the
addresses that WeChat pushes to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Router

from siyu.kernel import config
from siyu.kernel.audit import System
from siyu.kernel.auth import ShopIdentity, StaffIdentity
from siyu.kernel.crypto import vault
from siyu.kernel.db import Database, reading, transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId, new_id
from siyu.sandbox.channels import fits
from siyu.sandbox.client import SandboxClient
from siyu.wechat.mini_program import http_admin as mini_admin
from siyu.wechat.mini_program import http_callback as mini_callback
from siyu.wechat.mini_program import service as mini
from siyu.wechat.mini_program.contracts import (
    MiniProgramCredentials,
    PushChange,
    PushIncomplete,
)
from siyu.wechat.official_account import http_admin as official_admin
from siyu.wechat.official_account import http_callback as official_callback
from siyu.wechat.official_account import service as official
from siyu.wechat.official_account.contracts import (
    AccountChange,
    OfficialAccountCredentials,
)
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import (
    AppPage,
    Environment,
    Followed,
    MassSent,
    MessageReceived,
    NoticeSent,
    PushKeys,
    SealBroken,
    SendProblem,
    SettingsIncomplete,
    SignatureRefused,
    SubscriptionAnswered,
    SubscriptionSent,
    Unfollowed,
    WeChatError,
)
from siyu.wechat.transport.service import calling
from siyu.wechat.wecom import http_admin as wecom_admin
from siyu.wechat.wecom import http_callback as wecom_callback
from siyu.wechat.wecom import service as wecom
from siyu.wechat.wecom.contracts import (
    ContactAdded,
    ContactRemoved,
    CorpChange,
    MassState,
    WecomCredentials,
)
from tests.wechat.conftest import Server, start_server

TOKEN, AES_KEY = "pamtest", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
GIFT = {"thing1": "桂花乌龙", "phrase2": "已领取", "thing3": "对方已填好地址"}


@dataclass
class Desk:
    """A shop with a mini-program, an official account and a corporation in the sandbox."""

    shop: ShopId
    person: SandboxClient
    mini: MiniProgramCredentials
    official: OfficialAccountCredentials
    corp: WecomCredentials
    someone: str

    async def openid(self) -> str:
        """The person in the mini-program."""
        code = await self.person.login_code(self.someone, self.mini.appid)
        return (await mini.code2session(self.mini, code)).openid

    async def problem(self, sending: Any) -> SendProblem:
        """Why a send failed."""
        with pytest.raises(WeChatError) as failed:
            await sending
        return transport.send_problem(failed.value)


@pytest.fixture
async def desk(shop: ShopId, served_sandbox: Server) -> AsyncIterator[Desk]:
    async with SandboxClient(served_sandbox.url) as person:
        await person.call("DELETE", "/faults")
        calling._lanes.clear()
        calling._budgets.clear()
        transport.forget_tokens()
        keys = await person.credentials()
        account = (await person.accounts("official_account"))[0]
        corp = (await person.accounts("wecom"))[0]
        url = served_sandbox.url
        yield Desk(
            shop,
            person,
            MiniProgramCredentials(appid=keys["appid"], secret=keys["secret"], base_url=url),
            OfficialAccountCredentials(
                appid=account["account"], secret=account["secret"], base_url=url
            ),
            WecomCredentials(
                corp_id=corp["account"],
                agent_id=corp["agent_id"],
                secret=corp["secret"],
                base_url=url,
            ),
            await person.add_person("白露", "13900000001"),
        )


class Hooks:
    """One member of staff per shop code, which is the shop's number; the token is the rights."""

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        shop_id = ShopId(int(shop_code or 0))
        return StaffIdentity(UUID(int=1), new_id(), shop_id, "小周", frozenset(token.split("|")))


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    callbacks = [mini_callback, official_callback, wecom_callback]
    consoles = [mini_admin, official_admin, wecom_admin]
    app: Any = build_app(
        [
            Router("/callback", route_handlers=[r for one in callbacks for r in one.routes]),
            Router("/admin/v1", route_handlers=[r for one in consoles for r in one.routes]),
        ],
        Hooks(),
    )
    wire = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=wire, base_url="http://shop.test") as http:
        yield http


# -- sending -------------------------------------------------------------------------------------


async def test_a_subscription_message_uses_one_consent(desk: Desk) -> None:
    templates = {one.title: one for one in await mini.list_templates(desk.shop, desk.mini)}
    gift = templates["礼物领取提醒"]
    assert gift.fields == ["thing1", "phrase2", "thing3"]
    openid = await desk.openid()

    async def send() -> str:
        return await mini.send_subscription(
            desk.shop,
            desk.mini,
            openid=openid,
            template_id=gift.template_id,
            data=GIFT,
            page="pages/me/me?gift=1",
        )

    assert await desk.problem(send()) is SendProblem.NO_CONSENT
    await desk.person.answer_subscription(desk.someone, desk.mini.appid, [gift.template_id])
    assert int(await send()) > 0
    assert await desk.problem(send()) is SendProblem.NO_CONSENT
    shown = await desk.person.messages(desk.someone, "service")
    assert '"page":"pages/me/me?gift=1"' in shown[-1]["payload"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"openid": "o" * 28}, SendProblem.BAD_PERSON),
        ({"template_id": "nonsense"}, SendProblem.BAD_TEMPLATE),
        ({"data": GIFT | {"phrase2": "not Chinese"}}, SendProblem.BAD_VALUE),
    ],
)
async def test_why_a_send_failed(desk: Desk, change: dict[str, Any], problem: SendProblem) -> None:
    gift = (await desk.person.templates(desk.mini.appid))["礼物领取提醒"]
    asked = {"openid": await desk.openid(), "template_id": gift, "data": GIFT} | change
    assert await desk.problem(mini.send_subscription(desk.shop, desk.mini, **asked)) is problem


async def test_a_send_whose_answer_was_lost_is_not_repeated(desk: Desk) -> None:
    gift = (await desk.person.templates(desk.mini.appid))["礼物领取提醒"]
    await desk.person.answer_subscription(desk.someone, desk.mini.appid, [gift])
    await desk.person.answer_subscription(desk.someone, desk.mini.appid, [gift])
    openid = await desk.openid()
    await desk.person.order_fault("timeout_after_work", "message.subscription", seconds=0)
    sending = mini.send_subscription(
        desk.shop, desk.mini, openid=openid, template_id=gift, data=GIFT
    )
    assert await desk.problem(sending) is SendProblem.UNCLEAR
    consents = await desk.person.call(
        "GET", f"/people/{desk.someone}/subscriptions/{desk.mini.appid}"
    )
    assert {one["template_id"]: one["remaining"] for one in consents}[gift] == 1


async def test_a_template_message_whose_answer_was_lost_is_sent_once(desk: Desk) -> None:
    openid = await desk.person.follow(desk.someone, desk.official.appid)
    known = {one.title: one for one in await official.list_templates(desk.shop, desk.official)}
    await desk.person.order_fault("timeout_after_work", "message.notice", seconds=0)
    msgid = await official.send_notice(
        desk.shop,
        desk.official,
        openid=openid,
        template_id=known["会员权益提醒"].template_id,
        data={"thing1": "生日礼", "time2": "2026年3月31日", "thing3": "到店可用"},
        own_no="n-1",
        app_page=AppPage(appid=desk.mini.appid, page="pages/me/me"),
    )
    assert int(msgid) > 0
    chat = await desk.person.messages(desk.someone, f"oa:{desk.official.appid}")
    assert [one["kind"] for one in chat] == ["template"]


async def test_a_follower_is_known_by_unionid(desk: Desk) -> None:
    openid = await desk.person.follow(desk.someone, desk.official.appid)
    follower = await official.get_user(desk.shop, desk.official, openid)
    assert follower.is_following and follower.followed_at is not None
    code = await desk.person.login_code(desk.someone, desk.mini.appid)
    assert follower.unionid == (await mini.code2session(desk.mini, code)).unionid
    await desk.person.unfollow(desk.someone, desk.official.appid)
    assert not (await official.get_user(desk.shop, desk.official, openid)).is_following
    sending = official.send_notice(
        desk.shop, desk.official, openid=openid, template_id="t", data={}, own_no="n"
    )
    assert await desk.problem(sending) is SendProblem.BAD_TEMPLATE


@pytest.mark.parametrize("of", ["mini", "official"])
async def test_answers_are_taken_within_the_window(desk: Desk, of: str) -> None:
    api: Any = mini if of == "mini" else official
    credentials: Any = desk.mini if of == "mini" else desk.official
    if of == "mini":
        openid, chat = await desk.openid(), f"care:{desk.mini.appid}"
        sending = mini.send_care(desk.shop, desk.mini, openid=openid, text="您好")
        assert await desk.problem(sending) is SendProblem.WINDOW_CLOSED
    else:
        openid = await desk.person.follow(desk.someone, desk.official.appid)
        chat = f"oa:{desk.official.appid}"
    await desk.person.say(desk.someone, chat, "在吗")
    for _ in range(5):
        await api.send_care(desk.shop, credentials, openid=openid, text="您好")
    sending = api.send_care(desk.shop, credentials, openid=openid, text="您好")
    assert await desk.problem(sending) is SendProblem.WINDOW_USED


async def test_what_became_of_a_mass_message(desk: Desk) -> None:
    await desk.person.follow(desk.someone, desk.official.appid)
    async with httpx.AsyncClient(base_url=desk.official.base_url, trust_env=False) as http:
        body = {"grant_type": "client_credential", "appid": desk.official.appid}
        given = await http.post(
            "/cgi-bin/stable_token", json=body | {"secret": desk.official.secret}
        )
        sent = await http.post(
            "/cgi-bin/message/mass/sendall",
            params={"access_token": given.json()["access_token"]},
            json={"filter": {"is_to_all": True}, "msgtype": "text", "text": {"content": "春茶"}},
        )
    status = await official.get_mass_status(desk.shop, desk.official, str(sent.json()["msg_id"]))
    assert status == "SEND_SUCCESS"


async def test_a_mass_message_of_wecom(desk: Desk) -> None:
    external = await desk.person.add_staff(desk.someone, desk.corp.corp_id, "xiaoyu", "desk7")
    assert await wecom.list_staff(desk.shop, desk.corp) == ["xiaoyu", "ajian"]
    assert external in await wecom.list_contacts(desk.shop, desk.corp, "xiaoyu")
    contact = await wecom.get_contact(desk.shop, desk.corp, external)
    assert (contact.name, [(f.userid, f.state) for f in contact.follows]) == (
        "白露",
        [("xiaoyu", "desk7")],
    )
    code = await desk.person.login_code(desk.someone, desk.mini.appid)
    session = await mini.code2session(desk.mini, code)
    assert contact.unionid == session.unionid
    found = await wecom.convert_unionid(
        desk.shop, desk.corp, unionid=session.unionid, openid=session.openid
    )
    assert found == external
    task = await wecom.send_mass(
        desk.shop, desk.corp, external_userids=[external, "wmnobody"], text="春茶到了"
    )
    assert task.fail_list == ["wmnobody"]
    asked = await wecom.get_mass_tasks(desk.shop, desk.corp, task.msgid)
    assert [(one.userid, one.is_sent) for one in asked] == [("xiaoyu", False)]
    await wecom.remind_mass(desk.shop, desk.corp, task.msgid)
    await desk.person.press_send(desk.corp.corp_id, task.msgid, "xiaoyu")
    results = await wecom.get_mass_result(desk.shop, desk.corp, task.msgid, "xiaoyu")
    assert [(one.external_userid, one.state) for one in results] == [(external, MassState.SENT)]
    other = await wecom.send_mass(
        desk.shop, desk.corp, external_userids=[external], text="再来", sender="xiaoyu"
    )
    await wecom.cancel_mass(desk.shop, desk.corp, other.msgid)
    sending = wecom.send_mass(desk.shop, desk.corp, external_userids=["wmnobody"], text="在吗")
    assert await desk.problem(sending) is SendProblem.REFUSED, "41048: nobody to send it to"


async def test_secrets_are_tried_and_not_shown(desk: Desk) -> None:
    assert (await official.check_secret(desk.official)).works
    assert (await wecom.check_secret(desk.corp)).works
    wrong = await official.check_secret(msgspec.structs.replace(desk.official, secret="0" * 32))
    assert (wrong.works, wrong.wechat_code) == (False, "40125") and wrong.request_id
    refused = await wecom.check_secret(msgspec.structs.replace(desk.corp, secret="0" * 32))
    assert (refused.works, refused.wechat_code) == (False, "40001") and refused.request_id
    assert desk.official.secret not in repr(desk.official)
    assert desk.corp.secret not in repr(desk.corp)


# -- what is pushed ------------------------------------------------------------------------------


def keys_of(receiver: str) -> PushKeys:
    return PushKeys(token=TOKEN, encoding_aes_key=AES_KEY, receiver=receiver)


def sealed(keys: PushKeys, text: str, kind: str = "xml") -> tuple[dict[str, str], bytes]:
    """Query and body as WeChat sends them."""
    inner = transport.seal_message(keys.encoding_aes_key, text.encode(), keys.receiver, b"r" * 16)
    query = {"timestamp": "1409304348", "nonce": "n", "encrypt_type": "aes"}
    query["msg_signature"] = transport.message_signature(keys.token, "1409304348", "n", inner)
    if kind == "json":
        return query, msgspec.json.encode({"ToUserName": "gh_1", "Encrypt": inner})
    return query, f"<xml><ToUserName>gh_1</ToUserName><Encrypt>{inner}</Encrypt></xml>".encode()


TEXT = (
    "<xml><ToUserName>gh_1</ToUserName><FromUserName>oA</FromUserName>"
    "<CreateTime>1409304348</CreateTime><MsgType>text</MsgType>"
    "<Content><![CDATA[ 在吗 ]]></Content><MsgId>77</MsgId></xml>"
)


def test_a_pushed_message_is_proven_before_it_is_opened() -> None:
    keys = keys_of("wxb11529c136998cb6")
    query, body = sealed(keys, TEXT)
    plain = transport.open_push(keys, query, body)
    assert plain.decode() == TEXT
    (news,) = transport.read_news(plain)
    assert isinstance(news, MessageReceived) and (news.openid, news.text) == ("oA", " 在吗 ")
    assert transport.push_number(plain) == "oA:77"
    with pytest.raises(SignatureRefused):
        transport.open_push(keys, query | {"nonce": "m"}, body)
    with pytest.raises(SignatureRefused):
        transport.open_push(keys, query, TEXT.encode())  # plain mode proves nothing
    with pytest.raises(SealBroken):
        transport.open_push(msgspec.structs.replace(keys, receiver="wx0"), query, body)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b"<xml>",
        b"\xff\xfe<xml/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><xml><Encrypt>&b;</Encrypt></xml>',
        b'<?xml version="1.0" encoding="utf-7"?><xml>+ADw-</xml>',
    ],
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises((SealBroken, SignatureRefused)):
        transport.open_push(keys_of("wx1"), {"msg_signature": "x"}, raw)


def event(name: str, inner: str = "") -> bytes:
    return (
        f"<xml><ToUserName>gh_1</ToUserName><FromUserName>oA</FromUserName>"
        f"<CreateTime>1409304348</CreateTime><MsgType>event</MsgType><Event>{name}</Event>"
        f"{inner}</xml>"
    ).encode()


def test_news_of_official_accounts() -> None:
    read = transport.read_news
    (one,) = read(event("subscribe", "<EventKey>qrscene_desk7</EventKey>"))
    assert isinstance(one, Followed) and one.scene == "desk7"
    (one,) = read(event("unsubscribe"))
    assert isinstance(one, Unfollowed)
    for said, status in (
        ("success", "success"),
        ("failed:user block", "blocked"),
        ("failed:system failed", "failed"),
    ):
        inner = f"<MsgID>9</MsgID><Status>{said}</Status>"
        (one,) = read(event("TEMPLATESENDJOBFINISH", inner))
        assert isinstance(one, NoticeSent) and (one.msgid, one.status) == ("9", status)
    inner = (
        "<MsgID>9</MsgID><Status>send success</Status><TotalCount>5</TotalCount>"
        "<FilterCount>4</FilterCount><SentCount>3</SentCount><ErrorCount>1</ErrorCount>"
    )
    (one,) = read(event("MASSSENDJOBFINISH", inner))
    assert isinstance(one, MassSent) and one.filtered == one.sent + one.failed == 4
    assert read(event("CLICK")) == [], "nobody needs it"


def test_news_of_subscriptions_in_both_forms() -> None:
    entry = (
        "<List><TemplateId>{}</TemplateId><SubscribeStatusString>{}</SubscribeStatusString></List>"
    )
    inner = entry.format("t1", "accept") + entry.format("t2", "reject")
    inner = f"<SubscribeMsgPopupEvent>{inner}</SubscribeMsgPopupEvent>"
    answered = transport.read_news(event("subscribe_msg_popup_event", inner))
    assert [
        (one.template_id, one.is_accepted, one.by_popup)
        for one in answered
        if isinstance(one, SubscriptionAnswered)
    ] == [("t1", True, True), ("t2", False, True)]
    message = {
        "FromUserName": "oA",
        "CreateTime": 1409304348,
        "MsgType": "event",
        "Event": "subscribe_msg_change_event",
        "List": {"TemplateId": "t1", "SubscribeStatusString": "reject"},
    }
    (one,) = transport.read_news(msgspec.json.encode(message))
    assert isinstance(one, SubscriptionAnswered) and not (one.is_accepted or one.by_popup)
    sent = {"TemplateId": "t1", "MsgID": "5", "ErrorCode": "43101", "ErrorStatus": "refused"}
    told = message | {"Event": "subscribe_msg_sent_event", "List": [sent]}
    (one,) = transport.read_news(msgspec.json.encode(told))
    assert isinstance(one, SubscriptionSent) and (one.error_code, one.msgid) == (43101, "5")


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("thing1", "二十个字的内容刚好可以放得下不多也不少", ""),
        ("thing1", "字" * 21, "long"),
        ("thing1", "", "empty"),
        ("thing1", "两\n行", "lines"),
        ("number1", "3.5", ""),
        ("number1", "三", "form"),
        ("character_string1", "T2026-1", ""),
        ("character_string1", "单号", "form"),
        ("amount3", "¥12.50元", ""),
        ("amount3", "12345678901234", "long"),
        ("phrase2", "已发货", ""),
        ("phrase2", "sent", "form"),
        ("name1", "欧阳锋欧阳锋欧阳锋克", ""),
        ("name1", "欧阳锋欧阳锋欧阳锋克克", "long"),
        ("phone_number1", "0571-88888888", ""),
        ("letter1", "abc", ""),
        ("letter1", "ab1", "form"),
    ],
)
def test_values_are_checked_as_wechat_does(field: str, value: str, problem: str) -> None:
    assert transport.check_values({field: value}).get(field, "") == problem
    if problem in ("", "long", "form"):
        assert fits(field, value) == (not problem), "the sandbox agrees"


# -- settings and addresses ----------------------------------------------------------------------


async def configure(desk: Desk) -> None:
    """All three accounts, with what proves their pushes."""
    async with transaction(desk.shop) as tx:
        await mini.set_push(
            tx, System(), PushChange(appid=desk.mini.appid, token=TOKEN, encoding_aes_key=AES_KEY)
        )
        await official.set_settings(
            tx,
            System(),
            AccountChange(
                environment=Environment.SANDBOX,
                appid=desk.official.appid,
                secret=desk.official.secret,
                token=TOKEN,
                encoding_aes_key=AES_KEY,
            ),
        )
        await wecom.set_settings(
            tx,
            System(),
            CorpChange(
                environment=Environment.SANDBOX,
                corp_id=desk.corp.corp_id,
                agent_id=desk.corp.agent_id,
                secret=desk.corp.secret,
                token=TOKEN,
                encoding_aes_key=AES_KEY,
            ),
        )


async def test_settings_keep_what_is_not_given(desk: Desk) -> None:
    change = AccountChange(environment=Environment.REAL, appid="wx1234567")
    async with transaction(desk.shop) as tx:
        assert await official.get_credentials(tx) is None
        with pytest.raises(SettingsIncomplete):
            await official.set_settings(tx, System(), change)
        with pytest.raises(PushIncomplete):
            await mini.set_push(tx, System(), PushChange(appid="wx1234567", token=TOKEN))
    await configure(desk)
    async with transaction(desk.shop) as tx:
        await official.set_settings(tx, System(), change)
        await mini.set_push(tx, System(), PushChange(appid="wx1234567"))
    async with reading(desk.shop) as tx:
        credentials = await official.get_credentials(tx)
        assert credentials is not None
        assert (credentials.appid, credentials.secret) == ("wx1234567", desk.official.secret)
        assert credentials.base_url == config.settings().wechat_api_url
        assert await mini.get_push_keys(tx) == keys_of("wx1234567")
        assert await wecom.get_push_keys(tx) == keys_of(desk.corp.corp_id)


async def test_the_console_writes_secrets_and_never_reads_them(
    desk: Desk, client: httpx.AsyncClient
) -> None:
    staff = {"X-Siyu-Shop": str(desk.shop), "Cookie": "__Host-siyu=shop.read|shop.write"}
    bodies = {
        "mini-program/push": {"appid": desk.mini.appid},
        "official-account": {"appid": desk.official.appid, "secret": desk.official.secret},
        "wecom": {
            "corp_id": desk.corp.corp_id,
            "agent_id": desk.corp.agent_id,
            "secret": desk.corp.secret,
        },
    }
    for path, body in bodies.items():
        url, sent = f"/admin/v1/shop/{path}", body | {"token": TOKEN, "encoding_aes_key": AES_KEY}
        assert (await client.get(url, headers=staff)).status_code == 200, "before it is set up"
        if path != "mini-program/push":
            assert (await client.post(f"{url}/check", headers=staff)).status_code == 404
            sent |= {"environment": "sandbox"}
        half = {name: value for name, value in sent.items() if name != "token"}
        assert (await client.put(url, json=half, headers=staff)).status_code == 422
        assert (await client.put(url, json=sent, headers=staff)).status_code == 200
        shown = (await client.get(url, headers=staff)).text
        for secret in (TOKEN, AES_KEY, desk.official.secret, desk.corp.secret):
            assert secret not in shown
        assert "/callback/wecom/" in shown or "/callback/wechat/" in shown
        reader = staff | {"Cookie": "__Host-siyu=shop.read"}
        assert (await client.put(url, json=sent, headers=reader)).status_code == 403


ADDRESSES = {
    "mini": "/callback/wechat/mini-program/{}",
    "official": "/callback/wechat/official-account/{}",
    "corp": "/callback/wecom/{}",
}


async def test_addresses_answer_only_whom_they_know(desk: Desk, client: httpx.AsyncClient) -> None:
    for path in ADDRESSES.values():
        assert (await client.get(path.format(desk.shop))).status_code == 404, "nothing is set up"
    await configure(desk)
    plain = transport.message_signature(TOKEN, "1", "n")
    good = {"signature": plain, "timestamp": "1", "nonce": "n", "echostr": "42"}
    for of in ("mini", "official"):
        path = ADDRESSES[of].format(desk.shop)
        answer = await client.get(path, params=good)
        assert (answer.status_code, answer.text) == (200, "42")
        assert (await client.get(path, params=good | {"nonce": "m"})).status_code == 401
    keys = keys_of(desk.corp.corp_id)
    echo = transport.seal_message(AES_KEY, b"43", keys.receiver, b"r" * 16)
    signature = transport.message_signature(TOKEN, "1", "n", echo)
    query = {"msg_signature": signature, "timestamp": "1", "nonce": "n", "echostr": echo}
    answer = await client.get(ADDRESSES["corp"].format(desk.shop), params=query)
    assert (answer.status_code, answer.text) == (200, "43")


async def test_F108_a_pushed_message_is_stored_once(desk: Desk, client: httpx.AsyncClient) -> None:
    await configure(desk)
    path = ADDRESSES["official"].format(desk.shop)
    query, body = sealed(keys_of(desk.official.appid), TEXT)
    for _ in range(2):
        answer = await client.post(path, params=query, content=body)
        assert (answer.status_code, answer.text) == (200, "success")
    forged = query | {"msg_signature": "0" * 40}
    assert (await client.post(path, params=forged, content=body)).status_code == 401
    assert (await client.post(path, params=query, content=TEXT.encode())).status_code == 401
    assert (await client.post(path, params=query, content=b"x" * 70_000)).status_code == 413
    async with reading(desk.shop) as tx:
        stored = await tx.value(
            "select array_agg(source || ' ' || outside_id) from kernel.inbox where shop_id = $1",
            desk.shop,
        )
    assert stored == ["wechat.official_account oA:77"]


_XXE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><xml><Content>&b;</Content></xml>'
_SAID = TEXT.replace("oA", "oB")
_SAID_IN_JSON = (
    '{"ToUserName":"gh_1","FromUserName":"oB","CreateTime":1409304348,"MsgType":"text",'
    '"Content":"x","MsgId":77}'
)


@pytest.mark.parametrize("of", ["corp", "mini", "official"])
async def test_what_is_not_proven_or_not_ours_is_refused_and_nothing_is_kept(
    desk: Desk, client: httpx.AsyncClient, of: str
) -> None:
    """Each address by itself: forged, of another account, of another key, too large, twice."""
    await configure(desk)
    path = ADDRESSES[of].format(desk.shop)
    receiver = {
        "mini": desk.mini.appid, "official": desk.official.appid, "corp": desk.corp.corp_id
    }[of]  # fmt: skip
    keys, kind = keys_of(receiver), "json" if of == "mini" else "xml"
    said = _SAID_IN_JSON if of == "mini" else _SAID
    query, body = sealed(keys, said, kind)
    foreign = msgspec.structs.replace(keys, receiver="wxffffffffffffffff")
    other = msgspec.structs.replace(keys, token="other")
    for wrong in (
        (query | {"msg_signature": "0" * 40}, body),
        (query | {"timestamp": "1409304349"}, body),
        sealed(foreign, said, kind),
        sealed(other, said, kind),
        (query, _XXE.encode()),
        (query, b"\x00" * 100),
        ({}, body),
    ):
        answer = await client.post(path, params=wrong[0], content=wrong[1])
        assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
        assert "root:" not in answer.text
    assert (await client.post(path, params=query, content=b"x" * 70_000)).status_code == 413
    assert await pushes_kept(desk.shop) == 0
    for _ in range(3):
        assert (await client.post(path, params=query, content=body)).status_code == 200
    assert await pushes_kept(desk.shop) == 1, "as often as it comes"


async def pushes_kept(shop: ShopId) -> int:
    """Messages of the channels in the inbox."""
    async with reading(shop) as tx:
        return int(
            await tx.value("select count(*) from kernel.inbox where source like 'wechat.%'") or 0
        )


async def test_the_sandbox_pushes_what_people_do(desk: Desk, client: httpx.AsyncClient) -> None:
    """From the person's tap to the news, through sealed messages over the wire."""
    await configure(desk)
    shop = start_server(Forward(client, asyncio.get_running_loop()), lifespan="off")
    try:
        for account, of in (
            (desk.mini.appid, "mini"),
            (desk.official.appid, "official"),
            (desk.corp.corp_id, "corp"),
        ):
            url = shop.url + ADDRESSES[of].format(desk.shop)
            await desk.person.set_push(account, url, TOKEN, AES_KEY)
        gift = (await desk.person.templates(desk.mini.appid))["礼物领取提醒"]
        await desk.person.order_fault("bad_signature", "notify.push")
        await desk.person.answer_subscription(desk.someone, desk.mini.appid, [gift])
        await desk.person.order_fault("repeat", "notify.push", copies=2)
        await desk.person.follow(desk.someone, desk.official.appid, "desk7")
        await desk.person.add_staff(desk.someone, desk.corp.corp_id, "xiaoyu")
        await stored_news(desk.shop, 3)  # pushes under way together arrive in any order
        await desk.person.call(
            "POST",
            f"/people/{desk.someone}/drop-staff",
            {"account": desk.corp.corp_id, "userid": "xiaoyu"},
        )
        news = await stored_news(desk.shop, 4)
    finally:
        for account in (desk.mini.appid, desk.official.appid, desk.corp.corp_id):
            await desk.person.call("DELETE", f"/accounts/{account}/push")
        shop.stop()
    assert [type(one) for one in news] == [
        SubscriptionAnswered,
        Followed,
        ContactAdded,
        ContactRemoved,
    ]
    answered, followed, added, removed = news
    assert answered.template_id == gift and answered.is_accepted
    assert followed.scene == "desk7"
    assert added.welcome_code and added.external_userid == removed.external_userid
    assert removed.by_customer
    await wecom.send_welcome(
        desk.shop, desk.corp, welcome_code=added.welcome_code, text="欢迎来喝茶"
    )
    states = {one["state"] for one in await desk.person.call("GET", "/pushes")}
    assert states == {"delivered"}, "the forged one was refused"


async def stored_news(shop: ShopId, count: int) -> list[Any]:
    """Wait for so many messages in the inbox; what they tell, in order."""
    readers: dict[str, Callable[[bytes], list[Any]]] = {
        "wechat.mini_program": mini.read_news,
        "wechat.official_account": official.read_news,
        "wechat.wecom": wecom.read_news,
    }
    for _ in range(100):
        async with reading(shop) as tx:
            sources = await tx.all(
                Stored,
                """select source, raw_sealed from kernel.inbox where shop_id = $1
                    order by received_at""",
                shop,
            )
        if len(sources) >= count:
            break
        await asyncio.sleep(0.1)
    found: list[Any] = []
    for row in sorted(sources, key=lambda row: list(readers).index(row.source)):
        raw = vault().open(row.raw_sealed).encode("latin-1")
        found += readers[row.source](raw)
    return found


class Stored(msgspec.Struct, frozen=True):
    source: str
    raw_sealed: bytes


class Forward:
    """An ASGI app that hands requests of another thread to the test's own app."""

    def __init__(self, client: httpx.AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
        self.client, self.loop = client, loop

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        path = f"{scope['path']}?{scope['query_string'].decode()}"
        asked = self.client.request(scope["method"], path, content=body)
        answer = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, self.loop))
        head = {"type": "http.response.start", "status": answer.status_code, "headers": []}
        await send(head)
        await send({"type": "http.response.body", "body": answer.content})
