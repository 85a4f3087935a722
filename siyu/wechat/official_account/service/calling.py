"""Messages to followers and questions about them. All open short transactions of their own for the
access token: call them outside any transaction. All raise WeChatError; `send_problem` says what a
failed send means. Source: 服务号 模板消息, 订阅通知, 客服消息, 用户管理, 群发.
"""

import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from siyu.kernel.ids import ShopId
from siyu.wechat.official_account.contracts import Follower, OfficialAccountCredentials
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import Answer, AppPage, MessageTemplate

SENDS_PER_SECOND = 2000.0
MAX_OWN_NO = 32


class _Sent(msgspec.Struct):
    msgid: int | str = ""


class _User(msgspec.Struct):
    openid: str
    subscribe: int = 0
    unionid: str = ""
    subscribe_time: int = 0
    subscribe_scene: str = ""


class _Template(msgspec.Struct):
    template_id: str
    title: str = ""
    content: str = ""
    example: str = ""


class _Templates(msgspec.Struct):
    template_list: list[_Template] = []


class _Mass(msgspec.Struct):
    msg_status: str = ""


async def ask_token(credentials: OfficialAccountCredentials, force: bool) -> transport.GivenToken:
    """A token from WeChat. Raises WeChatError."""
    return await transport.ask_stable_token(
        credentials.appid,
        credentials.secret,
        credentials.base_url,
        "official.stable_token",
        force=force,
    )


async def send_notice(
    shop_id: ShopId,
    credentials: OfficialAccountCredentials,
    *,
    openid: str,
    template_id: str,
    data: dict[str, str],
    own_no: str,
    url: str = "",
    app_page: AppPage | None = None,
) -> str:
    """Send a template message to a follower; WeChat's msgid.

    own_no: 1..32 characters; within ten minutes WeChat sends one message per number and person,
    so a lost answer is repeated. A tap opens app_page, elsewhere url.
    """
    assert 1 <= len(own_no) <= MAX_OWN_NO
    body: dict[str, Any] = {
        "touser": openid,
        "template_id": template_id,
        "client_msg_id": own_no,
        "data": _values(data),
    }
    if url:
        body["url"] = url
    if app_page:
        body["miniprogram"] = {"appid": app_page.appid, "pagepath": app_page.page}
    answer = await _call(
        shop_id, credentials, "send_notice", "/cgi-bin/message/template/send", body, repeatable=True
    )
    return str(transport.decode(answer, _Sent).msgid)


async def send_subscription(
    shop_id: ShopId,
    credentials: OfficialAccountCredentials,
    *,
    openid: str,
    template_id: str,
    data: dict[str, str],
    app_page: AppPage | None = None,
) -> str:
    """Send a 订阅通知, which uses up one consent of the person; WeChat's msgid, or "". WeChat takes
    no number of ours: never repeated when its answer was lost."""
    body: dict[str, Any] = {"touser": openid, "template_id": template_id, "data": _values(data)}
    if app_page:
        body["miniprogram"] = {"appid": app_page.appid, "pagepath": app_page.page}
    answer = await _call(
        shop_id, credentials, "send_subscription", "/cgi-bin/message/subscribe/bizsend", body
    )
    return str(transport.decode(answer, _Sent).msgid)


async def send_care(
    shop_id: ShopId, credentials: OfficialAccountCredentials, *, openid: str, text: str
) -> None:
    """Answer a person: 5 times within 48 hours of a message, 3 times within a minute of following
    or scanning. WeChat takes no number of ours: never repeated when its answer was lost."""
    body = {"touser": openid, "msgtype": "text", "text": {"content": text}}
    await _call(shop_id, credentials, "send_care", "/cgi-bin/message/custom/send", body)


async def get_user(
    shop_id: ShopId, credentials: OfficialAccountCredentials, openid: str
) -> Follower:
    """Who somebody is: whether they follow, since when, and their unionid if bound (user/info)."""
    answer = await transport.call_with_token(
        _account(shop_id, credentials),
        "official.get_user",
        "/cgi-bin/user/info",
        query={"openid": openid, "lang": "zh_CN"},
        repeatable=True,
    )
    user = transport.decode(answer, _User)
    since = datetime.fromtimestamp(user.subscribe_time, UTC) if user.subscribe_time else None
    return Follower(
        openid=user.openid,
        is_following=user.subscribe == 1,
        unionid=user.unionid,
        followed_at=since,
        scene=user.subscribe_scene,
    )


async def list_templates(
    shop_id: ShopId, credentials: OfficialAccountCredentials
) -> list[MessageTemplate]:
    """The template messages of the account (get_all_private_template)."""
    answer = await transport.call_with_token(
        _account(shop_id, credentials),
        "official.list_templates",
        "/cgi-bin/template/get_all_private_template",
        repeatable=True,
    )
    return [
        MessageTemplate(
            template_id=one.template_id,
            title=one.title,
            content=one.content,
            example=one.example,
            is_long_term=True,
            fields=re.findall(r"\{\{(\w+)\.DATA\}\}", one.content),
        )
        for one in transport.decode(answer, _Templates).template_list
    ]


async def get_mass_status(
    shop_id: ShopId, credentials: OfficialAccountCredentials, msg_id: str
) -> str:
    """What became of a mass message: SEND_SUCCESS, SENDING, SEND_FAIL or DELETE (mass/get)."""
    answer = await _call(
        shop_id,
        credentials,
        "get_mass_status",
        "/cgi-bin/message/mass/get",
        {"msg_id": msg_id},
        repeatable=True,
    )
    return transport.decode(answer, _Mass).msg_status


def _values(data: dict[str, str]) -> dict[str, dict[str, str]]:
    return {key: {"value": value} for key, value in data.items()}


def _account(shop_id: ShopId, credentials: OfficialAccountCredentials) -> transport.Account:
    return transport.Account(
        shop_id=shop_id,
        account=credentials.appid,
        base_url=credentials.base_url,
        ask=partial(ask_token, credentials),
    )


async def _call(
    shop_id: ShopId,
    credentials: OfficialAccountCredentials,
    api: str,
    path: str,
    body: Any,
    *,
    repeatable: bool = False,
) -> Answer:
    return await transport.call_with_token(
        _account(shop_id, credentials),
        f"official.{api}",
        path,
        body,
        repeatable=repeatable,
        per_second=SENDS_PER_SECOND,
    )
