"""WeCom (qyapi.weixin.qq.com): a corporation, its staff, their customers, and mass messages.

A mass message is a task: nothing reaches a customer until its member of staff presses send.
Source: 客户联系 92114, 92120, 92135, 92137, 93338.
"""

import secrets
from typing import Any

import msgspec
from litestar import Response, get, route

from siyu.sandbox import staff
from siyu.sandbox.errcodes import MESSAGES
from siyu.sandbox.mini_program import (
    TOKEN_SECONDS,
    AnyRequest,
    Refused,
    check_app,
    check_token,
    last_token,
    new_token,
    serve,
)
from siyu.sandbox.world import App, World, get_person

OK = {"errcode": 0, "errmsg": "ok"}
WELCOME_SECONDS = 20
REMINDERS = 3
MAX_TEXT_BYTES, MAX_RECEIVERS = 4000, 10_000


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """A code for one greeting."""

    code: str
    corpid: str
    external_userid: str
    userid: str
    issued_at: float
    used_at: float | None


# -- the API -------------------------------------------------------------------------------------


def get_token(world: World, given: dict[str, Any]) -> dict[str, Any]:
    """获取access_token: the same one as long as it is good."""
    try:
        app = check_app(world, {"appid": given.get("corpid"), "secret": given.get("corpsecret")})
    except Refused as refused:
        raise Refused(40001 if refused.errcode == 40125 else refused.errcode) from None
    token = last_token(world, app.appid, "stable") or new_token(world, app.appid, "stable")
    left = round(token.expires_at - world.at())
    return OK | {"access_token": token.token, "expires_in": min(left, TOKEN_SECONDS)}


def _app(world: World, request: AnyRequest) -> App:
    app = check_token(world, request)
    if app.kind != "wecom":
        raise Refused(40014)
    return app


def follow_users(world: World, app: App) -> dict[str, Any]:
    """获取配置了客户联系功能的成员列表."""
    rows = world.store.all(
        _Staff, "select userid from staff where corpid = ? order by rowid", app.appid
    )
    return OK | {"follow_user": [row.userid for row in rows]}


class _Staff(msgspec.Struct, frozen=True):
    userid: str


class _External(msgspec.Struct, frozen=True):
    external_userid: str


def list_contacts(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """获取客户列表 of a member; 84061 without customers."""
    rows = world.store.all(
        _External,
        """select external_userid from contacts
            where corpid = ? and userid = ? and ended_at is null order by added_at""",
        app.appid,
        given.get("userid"),
    )
    if not rows:
        raise Refused(84061)
    return OK | {"external_userid": [row.external_userid for row in rows]}


def get_contact(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """获取客户详情."""
    found = staff.list_contacts(world, app, str(given.get("external_userid")))
    if not found:
        raise Refused(84061)
    person = get_person(world, found[0].person_id)
    assert person is not None
    return OK | {
        "external_contact": {
            "external_userid": found[0].external_userid,
            "name": person.name,
            "type": 1,
            "gender": 0,
            "unionid": person.unionid,
        },
        "follow_user": [
            {
                "userid": one.userid,
                "remark": person.name,
                "description": "",
                "createtime": int(one.added_at),
                "tags": [],
                "add_way": 1,
                "state": one.state,
            }
            for one in found
        ],
        "next_cursor": "",
    }


def convert_unionid(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """unionid转换为第三方external_userid, of an openid that is the same person's."""
    person_id = world.store.value(
        """select p.person_id from people p join identities i using (person_id)
            where p.unionid = ? and i.openid = ?""",
        str(given.get("unionid")),
        str(given.get("openid")),
    )
    if person_id is None:
        raise Refused(40003)
    external = staff.external_userid(app, person_id)
    return OK | {"external_userid": external if staff.list_contacts(world, app, external) else ""}


def send_welcome(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """发送新客户欢迎语: once, within 20 seconds."""
    welcome = world.store.maybe(
        Welcome,
        "select * from welcome_codes where corpid = ? and code = ?",
        app.appid,
        str(given.get("welcome_code")),
    )
    if welcome is None or world.at() - welcome.issued_at > WELCOME_SECONDS:
        raise Refused(41050)
    if welcome.used_at is not None:
        raise Refused(41051)
    text = _text(given)
    world.store.run("update welcome_codes set used_at = ? where code = ?", world.at(), welcome.code)
    for one in staff.list_contacts(world, app, welcome.external_userid):
        if one.userid == welcome.userid:
            staff.deliver(world, app, "welcome", one.userid, one.person_id, text)
    return dict(OK)


def _text(given: dict[str, Any]) -> str:
    text = given.get("text")
    content = text.get("content") if isinstance(text, dict) else None
    if not isinstance(content, str) or not content:
        raise Refused(40063)
    if len(content.encode()) > MAX_TEXT_BYTES:
        raise Refused(40058)
    return content


def add_msg_template(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """创建企业群发: a task for the members whose customers these are."""
    text, asked = _text(given), given.get("external_userid")
    if given.get("chat_type", "single") != "single" or not isinstance(asked, list):
        raise Refused(40058)
    if not 1 <= len(asked) <= MAX_RECEIVERS:
        raise Refused(40058)
    sender, failed, targets = given.get("sender"), [], []
    for external in dict.fromkeys(str(one) for one in asked):
        fitting = [
            one
            for one in staff.list_contacts(world, app, external)
            if not sender or str(sender) == one.userid
        ]
        if fitting:
            # Without a sender it falls to the member who was last in touch.
            targets.append((fitting[-1].userid, external))
        else:
            failed.append(external)
    if not targets:
        raise Refused(41048)
    msgid = f"msg{secrets.token_hex(14)}"
    world.store.run(
        "insert into mass_tasks (msgid, corpid, text, created_at) values (?, ?, ?, ?)",
        msgid,
        app.appid,
        text,
        world.at(),
    )
    for userid, external in targets:
        world.store.run(
            "insert into mass_targets (msgid, userid, external_userid) values (?, ?, ?)",
            msgid,
            userid,
            external,
        )
    return OK | {"fail_list": failed, "msgid": msgid}


def find_task(world: World, app: App, given: dict[str, Any]) -> staff.Task:
    """The task a request means. Raises Refused 40058."""
    task = world.store.maybe(
        staff.Task,
        "select * from mass_tasks where corpid = ? and msgid = ?",
        app.appid,
        str(given.get("msgid")),
    )
    if task is None:
        raise Refused(40058)
    return task


def groupmsg_task(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """获取群发成员发送任务列表: 0 unsent, 2 sent."""
    task = find_task(world, app, given)
    entries: dict[str, dict[str, Any]] = {}
    for target in staff.list_targets(world, task.msgid):
        entry = entries.setdefault(target.userid, {"userid": target.userid, "status": 0})
        if target.status != staff.UNSENT and target.sent_at is not None:
            entry |= {"status": 2, "send_time": int(target.sent_at)}
    return OK | {"task_list": list(entries.values()), "next_cursor": ""}


def groupmsg_result(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """获取企业群发成员执行结果."""
    task = find_task(world, app, given)
    entries = [
        {
            "external_userid": one.external_userid,
            "userid": one.userid,
            "status": one.status,
        }
        | ({"send_time": int(one.sent_at)} if one.sent_at is not None else {})
        for one in staff.list_targets(world, task.msgid, str(given.get("userid")))
    ]
    return OK | {"send_list": entries, "next_cursor": ""}


def remind(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """提醒成员群发: three times."""
    task = find_task(world, app, given)
    if task.reminders >= REMINDERS:
        raise Refused(45009)
    world.store.run("update mass_tasks set reminders = reminders + 1 where msgid = ?", task.msgid)
    return dict(OK)


def cancel(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """停止企业群发; what was sent stays."""
    task = find_task(world, app, given)
    world.store.run(
        "update mass_tasks set cancelled_at = coalesce(cancelled_at, ?) where msgid = ?",
        world.at(),
        task.msgid,
    )
    return dict(OK)


# -- routes --------------------------------------------------------------------------------------


def _word(world: World, refused: Refused) -> str:
    hint = f"{int(world.at())}{secrets.randbelow(10**12):012d}"
    said = MESSAGES.get(refused.errcode, "error")
    return (
        f"{said}{refused.extra}, hint: [{hint}], from ip: 127.0.0.1, more info at "
        f"https://open.work.weixin.qq.com/devtool/query?e={refused.errcode}"
    )


@get("/cgi-bin/gettoken")
async def get_gettoken(request: AnyRequest, world: World) -> Response[bytes]:
    """获取access_token."""
    return await serve(
        world,
        request,
        "wecom.token",
        lambda given: get_token(world, given),
        posted=False,
        word=_word,
    )


READS: dict[str, Any] = {
    "get_follow_user_list": lambda world, app, _: follow_users(world, app),
    "list": list_contacts,
    "get": get_contact,
}
WRITES: dict[str, tuple[str, Any]] = {
    "send_welcome_msg": ("wecom.welcome", send_welcome),
    "add_msg_template": ("wecom.mass", add_msg_template),
    "get_groupmsg_task": ("wecom.mass", groupmsg_task),
    "get_groupmsg_send_result": ("wecom.mass", groupmsg_result),
    "remind_groupmsg_send": ("wecom.mass", remind),
    "cancel_groupmsg_send": ("wecom.mass", cancel),
}


@route("/cgi-bin/externalcontact/{api:str}", http_method=["GET", "POST"], status_code=200)
async def any_external_contact(request: AnyRequest, world: World, api: str) -> Response[bytes]:
    """客户联系."""
    if api in READS:
        return await serve(
            world,
            request,
            "wecom.contact",
            lambda given: READS[api](world, _app(world, request), given),
            posted=False,
            word=_word,
        )
    operation, work = WRITES.get(api, ("wecom", None))

    def do(given: dict[str, Any]) -> Any:
        app = _app(world, request)
        if work is None:
            raise Refused(48002)
        return work(world, app, given)

    return await serve(world, request, operation, do, word=_word)


@route("/cgi-bin/idconvert/unionid_to_external_userid", http_method=["GET", "POST"],
       status_code=200)  # fmt: skip
async def any_convert(request: AnyRequest, world: World) -> Response[bytes]:
    """unionid转换为external_userid."""
    return await serve(
        world,
        request,
        "wecom.contact",
        lambda given: convert_unionid(world, _app(world, request), given),
        word=_word,
    )


routes = [get_gettoken, any_external_contact, any_convert]
