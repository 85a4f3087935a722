"""Others' Python clients against the sandbox's channels: wechatpy sends, asks, and reads pushes."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from litestar import Litestar, Request, get, post
from wechatpy import WeChatClient
from wechatpy.client.api import WeChatWxa
from wechatpy.crypto import WeChatCrypto
from wechatpy.enterprise import WeChatClient as CorpClient
from wechatpy.enterprise.crypto import WeChatCrypto as CorpCrypto
from wechatpy.exceptions import WeChatClientException
from wechatpy.parser import parse_message
from wechatpy.utils import check_signature

from tests.wechat.conftest import Server, start_server
from tests.wechat.test_independent_python import Redirect, Sandbox, log_in, sandbox

__all__ = ["sandbox"]

TOKEN, AES_KEY = "pamtest", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
GIFT = {"thing1": "桂花乌龙", "phrase2": "已领取", "thing3": "对方已填好地址"}


def account(sandbox: Sandbox, kind: str) -> dict[str, Any]:
    """An account's id and secret."""
    return dict(sandbox.http.get(f"/accounts?kind={kind}").json()[0])


def templates(sandbox: Sandbox, of: str) -> dict[str, str]:
    """template_id by title."""
    found = sandbox.http.get(f"/accounts/{of}/templates").json()
    return {one["title"]: one["template_id"] for one in found}


def client_of(sandbox: Sandbox, kind: str) -> Any:
    """wechatpy for one account."""
    keys = account(sandbox, kind)
    make = CorpClient if kind == "wecom" else WeChatClient
    client = make(keys["account"], keys["secret"])
    client._http.mount("https://", Redirect(sandbox.url))
    return client


class Receiver:
    """A server that keeps each pushed message as wechatpy reads it."""

    def __init__(self) -> None:
        self.crypto: dict[str, Any] = {}
        self.read: list[Any] = []

        @get("/{name:str}", media_type="text/plain")
        async def check(name: str, request: Request[Any, Any, Any]) -> str:
            query = request.query_params
            crypto = self.crypto[name]
            if isinstance(crypto, CorpCrypto):
                return str(
                    crypto.check_signature(
                        query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"]
                    )
                )
            check_signature(TOKEN, query["signature"], query["timestamp"], query["nonce"])
            return str(query["echostr"])

        @post("/{name:str}", media_type="text/plain", status_code=200)
        async def receive(name: str, request: Request[Any, Any, Any]) -> str:
            query = dict(parse_qsl(urlsplit(str(request.url)).query))
            plain = self.crypto[name].decrypt_message(
                (await request.body()).decode(),
                query["msg_signature"],
                query["timestamp"],
                query["nonce"],
            )
            self.read.append(plain)
            return "success"

        self.server: Server = start_server(Litestar([check, receive], openapi_config=None))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.stop()


def test_wechatpy_sends_subscription_messages(sandbox: Sandbox) -> None:
    client = client_of(sandbox, "mini_program")
    appid = account(sandbox, "mini_program")["account"]
    gift, openid = templates(sandbox, appid)["礼物领取提醒"], log_in(sandbox, "p3")
    data = {key: {"value": value} for key, value in GIFT.items()}
    send = WeChatWxa(client).send_subscribe_message
    with pytest.raises(WeChatClientException) as refused:
        send(openid, gift, data, "pages/me/me")
    assert refused.value.errcode == 43101
    sandbox.post("/people/p3/subscribe", appid=appid, template_ids=[gift], accepted=[gift])
    assert send(openid, gift, data, "pages/me/me")["errcode"] == 0
    data["thing1"] = {"value": "字" * 21}
    sandbox.post("/people/p3/subscribe", appid=appid, template_ids=[gift], accepted=[gift])
    with pytest.raises(WeChatClientException) as long:
        send(openid, gift, data, "pages/me/me")
    assert long.value.errcode == 47003 and "data.thing1.value" in long.value.errmsg


def test_wechatpy_speaks_for_an_official_account(sandbox: Sandbox, receiver: Receiver) -> None:
    client = client_of(sandbox, "official_account")
    appid = account(sandbox, "official_account")["account"]
    receiver.crypto["oa"] = WeChatCrypto(TOKEN, AES_KEY, appid)
    sandbox.http.put(
        f"/accounts/{appid}/push",
        json={"url": f"{receiver.server.url}/oa", "token": TOKEN, "aes_key": AES_KEY},
    ).raise_for_status()
    openid = sandbox.post("/people/p3/follow", account=appid, scene="desk")["openid"]
    said = {"chat": f"oa:{appid}", "text": "在吗"}
    sandbox.http.post("/people/p3/say", json=said).raise_for_status()
    user = client.user.get(openid)
    assert user["subscribe"] == 1 and user["unionid"] and "nickname" not in user
    assert openid in client.user.get_followers()["data"]["openid"]
    notice = templates(sandbox, appid)["会员权益提醒"]
    data = {
        "thing1": {"value": "生日礼"},
        "time2": {"value": "三月底"},
        "thing3": {"value": "到店"},
    }
    sent = client.message.send_template(openid, notice, data)
    assert sent["errcode"] == 0 and sent["msgid"]
    assert client.message.send_text(openid, "您好")["errcode"] == 0
    mass = client.message.send_mass_text(None, "春茶到了", is_to_all=True)
    assert client.message.get_mass(mass["msg_id"])["msg_status"] == "SEND_SUCCESS"
    sandbox.http.post("/notifications/deliver").raise_for_status()
    sandbox.http.delete(f"/accounts/{appid}/push")
    read = [parse_message(plain) for plain in receiver.read]
    events = [getattr(one, "event", one.type) for one in read]
    assert events == [
        "subscribe_scan",
        "text",
        "templatesendjobfinish",
        "masssendjobfinish",
    ]
    assert read[0].scene_id == "desk" and read[1].content == "在吗"
    assert {one.source for one in read[:3]} == {openid}


def test_wechatpy_speaks_for_a_corporation(sandbox: Sandbox, receiver: Receiver) -> None:
    client = client_of(sandbox, "wecom")
    corp = account(sandbox, "wecom")["account"]
    receiver.crypto["corp"] = CorpCrypto(TOKEN, AES_KEY, corp)
    sandbox.http.put(
        f"/accounts/{corp}/push",
        json={"url": f"{receiver.server.url}/corp", "token": TOKEN, "aes_key": AES_KEY},
    ).raise_for_status()
    added = sandbox.post("/people/p3/add-staff", account=corp, userid="xiaoyu", state="desk7")
    external = added["external_userid"]
    sandbox.http.post("/notifications/deliver").raise_for_status()
    sandbox.http.delete(f"/accounts/{corp}/push")
    (told,) = receiver.read
    assert "<Event><![CDATA[change_external_contact]]></Event>" in told
    assert f"<ExternalUserID><![CDATA[{external}]]></ExternalUserID>" in told
    assert client.external_contact.get_follow_user_list()["follow_user"] == ["xiaoyu", "ajian"]
    assert external in client.external_contact.list("xiaoyu")["external_userid"]
    contact = client.external_contact.get(external)
    assert contact["external_contact"]["unionid"]
    assert contact["follow_user"][0]["state"] == "desk7"
    with pytest.raises(WeChatClientException) as nobody:
        client.external_contact.get("wmnobody")
    assert nobody.value.errcode == 84061
