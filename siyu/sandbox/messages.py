"""Message APIs of mini-programs and official accounts (api.weixin.qq.com).

Source: 订阅消息 send, 模板消息 send, 订阅通知 bizsend, 客服消息 send, 用户管理, 群发.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from siyu.sandbox import channels
from siyu.sandbox.channels import Template
from siyu.sandbox.chats import leave
from siyu.sandbox.mini_program import Refused, api, spend
from siyu.sandbox.pushes import tell
from siyu.sandbox.world import App, World, get_person

OK = {"errcode": 0, "errmsg": "ok"}
MASS_A_MONTH = 4

Work = Callable[[World, App, dict[str, Any]], dict[str, Any]]


def send_subscription(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """A subscription message (mini-program) or 订阅通知 (official account): one consent each."""
    identity = channels.find_identity(world, app, given.get("touser"))
    template, lines = channels.fill(world, app, given)
    page = str(given.get("page") or "")
    if page.startswith(("http:", "https:")):
        raise Refused(41030)
    spend(world, app.appid, "message.subscription")
    channels.take_consent(world, app.appid, identity.openid, template.template_id)
    msgid = channels.record(
        world, "subscription", app.appid, identity.openid, template.template_id, None
    )
    _show(world, identity.person_id, app, template, lines, given, page)
    entry = {
        "TemplateId": template.template_id,
        "MsgID": str(msgid),
        "ErrorCode": "0",
        "ErrorStatus": "success",
    }
    told = channels.event(app, "subscribe_msg_sent_event", [entry])
    tell(world, app, identity.openid, told)
    return OK | {"msgid": msgid}


def _show(
    world: World,
    person_id: str,
    app: App,
    template: Template,
    lines: list[list[str]],
    given: dict[str, Any],
    page: str,
) -> None:
    target = given.get("miniprogram")
    opens = {"page_appid": app.appid, "page": page} if page else {}
    if isinstance(target, dict) and target.get("appid"):
        opens = {"page_appid": str(target["appid"]), "page": str(target.get("pagepath") or "")}
    if given.get("url"):
        opens |= {"url": str(given["url"])}
    channels.show_template(world, person_id, app, template, lines, opens)


def send_notice(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """A template message for a follower; one for each client_msg_id within ten minutes."""
    identity = channels.find_identity(world, app, given.get("touser"))
    template, lines = channels.fill(world, app, given)
    if not channels.is_following(world, app, identity.person_id):
        raise Refused(43004)
    own_no = given.get("client_msg_id")
    if own_no is not None:
        known = world.store.value(
            """select send_id from sends
                where account = ? and openid = ? and own_no = ? and at > ?""",
            app.appid,
            identity.openid,
            str(own_no),
            world.at() - channels.OWN_NO_SECONDS,
        )
        if known is not None:
            return OK | {"msgid": known}
        world.store.run(
            "update sends set own_no = null where account = ? and openid = ? and own_no = ?",
            app.appid,
            identity.openid,
            str(own_no),
        )
    spend(world, app.appid, "message.notice")
    msgid = channels.record(
        world,
        "notice",
        app.appid,
        identity.openid,
        template.template_id,
        None if own_no is None else str(own_no),
    )
    _show(world, identity.person_id, app, template, lines, given, "")
    event = {"MsgType": "event", "Event": "TEMPLATESENDJOBFINISH"}
    tell(world, app, identity.openid, event | {"MsgID": msgid, "Status": "success"})
    return OK | {"msgid": msgid}


def send_care(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """An answer to a person: within the window, as often as it allows."""
    identity = channels.find_identity(world, app, given.get("touser"))
    content = given.get("text")
    if given.get("msgtype") != "text":
        raise Refused(40008)
    if not isinstance(content, dict) or not isinstance(content.get("content"), str):
        raise Refused(47003, " text.content")
    channels.take_answer(world, app, identity.openid)
    channels.record(world, "care", app.appid, identity.openid, "", None)
    chat = f"{'oa' if app.kind == 'official_account' else 'care'}:{app.appid}"
    leave(world, identity.person_id, chat, "text", {"text": content["content"]})
    return dict(OK)


def subscription_templates(world: World, app: App, _: dict[str, Any]) -> dict[str, Any]:
    """获取个人模板列表."""
    found = channels.list_templates(world, app.appid)
    return OK | {
        "data": [
            {
                "priTmplId": one.template_id,
                "title": one.title,
                "content": one.content,
                "example": one.example,
                "type": 2,
            }
            for one in found
        ]
    }


def notice_templates(world: World, app: App, _: dict[str, Any]) -> dict[str, Any]:
    """获取模板列表."""
    return {
        "template_list": [
            {
                "template_id": one.template_id,
                "title": one.title,
                "primary_industry": "消费品",
                "deputy_industry": "消费品",
                "content": one.content,
                "example": one.example,
            }
            for one in channels.list_templates(world, app.appid)
        ]
    }


def user_info(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """获取用户基本信息; nothing but the openid of who does not follow."""
    identity = channels.find_identity(world, app, given.get("openid"))
    person = get_person(world, identity.person_id)
    assert person is not None
    since = world.store.value(
        "select followed_at from follows where appid = ? and person_id = ? and ended_at is null",
        app.appid,
        person.person_id,
    )
    if since is None:
        return {"subscribe": 0, "openid": identity.openid, "unionid": person.unionid}
    return {
        "subscribe": 1,
        "openid": identity.openid,
        "language": "zh_CN",
        "subscribe_time": int(since),
        "unionid": person.unionid,
        "remark": "",
        "groupid": 0,
        "tagid_list": [],
        "subscribe_scene": "ADD_SCENE_SEARCH",
        "qr_scene": 0,
        "qr_scene_str": "",
    }


def list_users(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """获取关注者列表: 10 000 at a time, behind next_openid."""
    total = world.store.value(
        "select count(*) from follows where appid = ? and ended_at is null", app.appid
    )
    rows = world.store.all(
        _Openid,
        """select i.openid from follows f join identities i using (appid, person_id)
            where f.appid = ? and f.ended_at is null and i.openid > ? order by 1 limit 10000""",
        app.appid,
        str(given.get("next_openid") or ""),
    )
    answer: dict[str, Any] = {"total": total, "count": len(rows), "next_openid": ""}
    if rows:
        openids = [row.openid for row in rows]
        answer |= {"data": {"openid": openids}, "next_openid": openids[-1]}
    return answer


class _Openid(msgspec.Struct, frozen=True):
    openid: str
    person_id: str = ""


def send_mass(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """根据标签进行群发: a text to all followers, four a month for each; then the event."""
    content = given.get("text")
    if given.get("msgtype") != "text" or not isinstance(content, dict):
        raise Refused(40008)
    own_no = str(given["clientmsgid"]) if given.get("clientmsgid") else None
    known = own_no and world.store.value(
        "select msg_id from masses where appid = ? and own_no = ? and at > ?",
        app.appid,
        own_no,
        world.at() - 86400,
    )
    if known:
        raise Refused(45065, f" msg_id: {known}")
    msg_id = int(
        world.store.value(
            """insert into masses (appid, own_no, status, content, at)
               values (?, ?, 'SEND_SUCCESS', ?, ?) returning msg_id""",
            app.appid,
            own_no,
            str(content.get("content")),
            world.at(),
        )
    )
    rows = world.store.all(
        _Openid,
        """select i.openid, i.person_id from follows f join identities i using (appid, person_id)
            where f.appid = ? and f.ended_at is null""",
        app.appid,
    )
    sent = 0
    for row in rows:
        if channels.sent_this_month(world, "mass", app.appid, row.openid) < MASS_A_MONTH:
            channels.record(world, "mass", app.appid, row.openid, "", None)
            text = {"text": str(content.get("content"))}
            leave(world, row.person_id, f"oa:{app.appid}", "text", text)
            sent += 1
    result = {
        "MsgType": "event",
        "Event": "MASSSENDJOBFINISH",
        "MsgID": msg_id,
        "Status": "send success",
        "TotalCount": len(rows),
        "FilterCount": len(rows),
        "SentCount": sent,
        "ErrorCount": len(rows) - sent,
    }
    tell(world, app, "", result)
    return {"errcode": 0, "errmsg": "send job submission success", "msg_id": msg_id}


def mass_status(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """查询群发消息发送状态."""
    status = world.store.value(
        "select status from masses where appid = ? and msg_id = ?",
        app.appid,
        str(given.get("msg_id")),
    )
    if status is None:
        raise Refused(40008)
    return {"msg_id": given.get("msg_id"), "msg_status": status}


# -- routes --------------------------------------------------------------------------------------


def _only(kind: str, work: Work) -> Work:
    """Refuses an account of another kind."""

    def do(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
        if app.kind != kind:
            raise Refused(48001)
        return work(world, app, given)

    return do


def _official(work: Work) -> Work:
    return _only("official_account", work)


routes = [
    api("/cgi-bin/message/subscribe/send", "message.subscription",
        _only("mini_program", send_subscription)),
    api("/cgi-bin/message/subscribe/bizsend", "message.subscription", _official(send_subscription)),
    api("/cgi-bin/message/template/send", "message.notice", _official(send_notice)),
    api("/cgi-bin/message/custom/send", "message.care", send_care),
    api("/cgi-bin/message/mass/sendall", "message.mass", _official(send_mass)),
    api("/cgi-bin/message/mass/get", "message.mass", mass_status),
    api("/wxaapi/newtmpl/gettemplate", "message.templates", subscription_templates, posted=False),
    api("/cgi-bin/template/get_all_private_template", "message.templates",
        _official(notice_templates), posted=False),
    api("/cgi-bin/user/info", "user", _official(user_info), posted=False),
    api("/cgi-bin/user/get", "user", _official(list_users), posted=False),
]  # fmt: skip
