"""Reaching people: templates, consents to them, windows for answers, followers, what was sent.

Chats on the phone: `oa:<appid>` an official account, `care:<appid>` the customer service of a
mini-program, `wecom:<corpid>:<userid>` a member of staff; subscription messages stand among the
service notices. Source: 订阅消息, 模板消息, 客服消息, 用户管理.
"""

import re
import secrets
from typing import Any, Literal

import msgspec

from siyu.sandbox import wire
from siyu.sandbox.chats import leave
from siyu.sandbox.mini_program import Refused
from siyu.sandbox.people import PhoneError
from siyu.sandbox.pushes import tell
from siyu.sandbox.world import App, Identity, Person, World, add_app, identify

Channel = Literal["subscription", "notice", "care", "mass", "welcome", "staff"]
WRITTEN, FOLLOWED = (48 * 3600, 5), (60, 3)  # seconds and answers that a window has
ASKED_AT_ONCE = 3
OWN_NO_SECONDS = 600


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A private template; `content` has lines with {{thing1.DATA}}."""

    appid: str
    template_id: str
    title: str
    content: str
    example: str

    def fields(self) -> list[tuple[str, str]]:
        """(label, field) of each line."""
        return re.findall(r"(.*?)[::]?\{\{(\w+)\.DATA\}\}", self.content)


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages of a template a person will still take."""

    template_id: str
    title: str
    remaining: int
    always: str | None


class Window(msgspec.Struct, frozen=True):
    """Until when and how often a person may be answered."""

    ends_at: float
    remaining: int


def open_channels(world: World) -> None:
    """The demo's official account, corporation and templates, the first time."""
    if world.store.value("select 1 from apps where kind <> 'mini_program'"):
        return
    app = world.store.maybe(App, "select * from apps order by rowid limit 1")
    name = app.name if app else "思屿"
    account = add_app(
        world, name=f"{name}服务号", tagline="订单与会员服务", kind="official_account"
    )
    corp = add_app(world, name=name, tagline="企业微信", kind="wecom")
    for userid, called in (("xiaoyu", "小屿"), ("ajian", "阿简")):
        world.store.run("insert into staff values (?, ?, ?)", corp.appid, userid, called)
    if app:
        for title, content, example in _SUBSCRIPTIONS:
            add_template(world, app.appid, title, content, example)
    for title, content, example in _NOTICES:
        add_template(world, account.appid, title, content, example)


_SUBSCRIPTIONS = (
    (
        "订单发货提醒",
        "订单编号:{{character_string1.DATA}}\n发货时间:{{time2.DATA}}\n温馨提示:{{thing3.DATA}}",
        "订单编号:T2026\n发货时间:2026年3月1日 10:00\n温馨提示:可在订单页查看物流",
    ),
    (
        "礼物领取提醒",
        "礼物名称:{{thing1.DATA}}\n领取状态:{{phrase2.DATA}}\n温馨提示:{{thing3.DATA}}",
        "礼物名称:桂花乌龙\n领取状态:已领取\n温馨提示:对方已填好地址",
    ),
    (
        "售后进度提醒",
        "订单编号:{{character_string1.DATA}}\n处理进度:{{phrase2.DATA}}\n备注:{{thing3.DATA}}",
        "订单编号:T2026\n处理进度:已同意\n备注:请在七天内寄回",
    ),
    (
        "优惠券到期提醒",
        "优惠券:{{thing1.DATA}}\n到期时间:{{time2.DATA}}\n面额:{{amount3.DATA}}",
        "优惠券:满百减十\n到期时间:2026年3月1日\n面额:10元",
    ),
    (
        "活动开始提醒",
        "活动名称:{{thing1.DATA}}\n开始时间:{{time2.DATA}}\n温馨提示:{{thing3.DATA}}",
        "活动名称:春茶尝鲜\n开始时间:2026年3月1日 10:00\n温馨提示:会员早一小时",
    ),
)
_NOTICES = (
    (
        "订单状态通知",
        "订单编号:{{character_string1.DATA}}\n商品名称:{{thing2.DATA}}\n"
        "订单状态:{{phrase3.DATA}}\n更新时间:{{time4.DATA}}",
        "订单编号:T2026\n商品名称:明前龙井\n订单状态:已发货\n更新时间:2026年3月1日",
    ),
    (
        "会员权益提醒",
        "权益名称:{{thing1.DATA}}\n有效期至:{{time2.DATA}}\n温馨提示:{{thing3.DATA}}",
        "权益名称:生日礼\n有效期至:2026年3月31日\n温馨提示:到店或线上均可用",
    ),
)


def add_template(world: World, appid: str, title: str, content: str, example: str) -> Template:
    """A private template of an account."""
    template = Template(
        appid=appid,
        template_id=secrets.token_urlsafe(33)[:43],
        title=title,
        content=content,
        example=example,
    )
    world.store.insert("templates", template)
    return template


def list_templates(world: World, appid: str) -> list[Template]:
    """All templates of an account."""
    return world.store.all(
        Template, "select * from templates where appid = ? order by rowid", appid
    )


# -- what a server sends -------------------------------------------------------------------------


def find_identity(world: World, app: App, given: object) -> Identity:
    """Whose openid it is. Raises Refused 40003."""
    found = world.store.maybe(
        Identity, "select * from identities where openid = ? and appid = ?", str(given), app.appid
    )
    if found is None:
        raise Refused(40003)
    return found


def fill(world: World, app: App, given: dict[str, Any]) -> tuple[Template, list[list[str]]]:
    """The template, and label and value of its lines. Raises Refused 40037, 47003."""
    template = world.store.maybe(
        Template,
        "select * from templates where appid = ? and template_id = ?",
        app.appid,
        str(given.get("template_id")),
    )
    if template is None:
        raise Refused(40037)
    data, lines = given.get("data"), []
    if not isinstance(data, dict):
        raise Refused(47003, " data")
    for label, field in template.fields():
        entry = data.get(field)
        value = entry.get("value") if isinstance(entry, dict) else None
        if not isinstance(value, str | int) or not str(value):
            raise Refused(47003, f" data.{field}.value is empty")
        if not fits(field, str(value)):
            raise Refused(47003, f" data.{field}.value invalid")
        lines.append([label.strip(), str(value)])
    return template, lines


# Source: 订阅消息, 参数值内容限制. (longest, what it may be)
_FORMS: dict[str, tuple[int, str]] = {
    "thing": (20, ".+"),
    "number": (32, r"-?\d+(\.\d+)?"),
    "letter": (32, "[A-Za-z]+"),
    "symbol": (5, r"[^\w\s]+"),
    "character_string": (32, "[!-~]+"),
    "phone_number": (17, r"[\d+-]+"),
    "car_number": (8, ".+"),
    "phrase": (5, "[一-鿿]+"),
    "amount": (13, r"[^\w\s]?\d+(\.\d+)?元?"),
    "name": (20, ".+"),
}


def fits(field: str, value: str) -> bool:
    """Whether WeChat takes the value for a field."""
    kind = re.sub(r"\d+$", "", field)
    longest, form = _FORMS.get(kind, (32, ".+"))
    if kind == "name" and not value.isascii():
        longest = 10
    return len(value) <= longest and re.fullmatch(form, value) is not None


def sent_this_month(world: World, channel: Channel, account: str, openid: str) -> int:
    """How many messages of a channel somebody got since the month began in China."""
    begins = (
        world.now().astimezone(wire.CHINA).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    )
    return int(
        world.store.value(
            """select count(*) from sends
                where account = ? and channel = ? and openid = ? and at >= ?""",
            account,
            channel,
            openid,
            begins.timestamp(),
        )
    )


def record(
    world: World, channel: Channel, account: str, openid: str, template_id: str, own_no: str | None
) -> int:
    """Write down what reached somebody; its number is WeChat's msgid."""
    return int(
        world.store.value(
            """insert into sends (channel, account, openid, template_id, own_no, at)
               values (?, ?, ?, ?, ?, ?) returning send_id""",
            channel,
            account,
            openid,
            template_id,
            own_no,
            world.at(),
        )
    )


def show_template(
    world: World,
    person_id: str,
    app: App,
    template: Template,
    lines: list[list[str]],
    page: dict[str, str],
) -> None:
    """The message on the phone; page: appid and path, or url, that a tap opens."""
    chat = "service" if app.kind == "mini_program" else f"oa:{app.appid}"
    card = {"app_name": app.name, "appid": app.appid, "title": template.title, "lines": lines}
    leave(world, person_id, chat, "template", card | page)


def take_consent(world: World, appid: str, openid: str, template_id: str) -> None:
    """Use up one consent. Raises Refused 43101 when none is left."""
    if not world.store.run(
        """update subscriptions set remaining = remaining - 1
            where appid = ? and openid = ? and template_id = ? and remaining > 0""",
        appid,
        openid,
        template_id,
    ):
        raise Refused(43101)


def open_window(world: World, app: App, openid: str, window: tuple[int, int]) -> None:
    """From now on the person may be answered; never shorter than before."""
    seconds, answers = window
    ends_at = world.at() + seconds
    world.store.run(
        """insert into care_windows values (?, ?, ?, ?)
           on conflict do update set ends_at = excluded.ends_at, remaining = excluded.remaining
             where care_windows.ends_at < excluded.ends_at""",
        app.appid,
        openid,
        ends_at,
        answers,
    )


def take_answer(world: World, app: App, openid: str) -> None:
    """Use up one answer. Raises Refused 45015 (window closed), 45047 (used up)."""
    window = world.store.maybe(
        Window,
        "select ends_at, remaining from care_windows where appid = ? and openid = ?",
        app.appid,
        openid,
    )
    if window is None or window.ends_at <= world.at():
        raise Refused(45015)
    if window.remaining <= 0:
        raise Refused(45047)
    world.store.run(
        "update care_windows set remaining = remaining - 1 where appid = ? and openid = ?",
        app.appid,
        openid,
    )


# -- what people do ------------------------------------------------------------------------------


def list_consents(world: World, person: Person, app: App) -> list[Consent]:
    """What a person has said about each template of an app."""
    return world.store.all(
        Consent,
        """select t.template_id, t.title, coalesce(s.remaining, 0) as remaining, s.always
             from templates t left join subscriptions s
               on s.appid = t.appid and s.template_id = t.template_id and s.openid = ?
            where t.appid = ? order by t.rowid""",
        identify(world, app.appid, person.person_id).openid,
        app.appid,
    )


def ask_consents(
    world: World, person: Person, app: App, template_ids: list[str]
) -> tuple[list[Template], dict[str, str]]:
    """What wx.requestSubscribeMessage asks, and what is answered already by "do not ask again".
    Raises PhoneError as the page's callback is told."""
    if not 1 <= len(template_ids) <= ASKED_AT_ONCE:
        raise PhoneError("requestSubscribeMessage:fail TmplIds length out of max (20003)")
    known = {one.template_id: one for one in list_templates(world, app.appid)}
    if any(one not in known for one in template_ids):
        raise PhoneError("requestSubscribeMessage:fail No template data return (20001)")
    said = {one.template_id: one.always for one in list_consents(world, person, app)}
    settled = {one: answer for one in template_ids if (answer := said[one])}
    return [known[one] for one in template_ids if one not in settled], settled


def answer_consents(
    world: World,
    person: Person,
    app: App,
    template_ids: list[str],
    accepted: list[str],
    *,
    always: bool = False,
) -> dict[str, str]:
    """The person answers; each acceptance is good for one message. The server is told."""
    _, settled = ask_consents(world, person, app, template_ids)
    openid = identify(world, app.appid, person.person_id).openid
    answers = {
        one: settled.get(one) or ("accept" if one in accepted else "reject") for one in template_ids
    }
    with world.store.writing():
        for template_id, answer in answers.items():
            give_consent(world, app.appid, openid, template_id, int(answer == "accept"))
            if always:
                world.store.run(
                    """update subscriptions set always = ?
                        where appid = ? and openid = ? and template_id = ?""",
                    answer,
                    app.appid,
                    openid,
                    template_id,
                )
        tell(world, app, openid, _popup_event(app, answers))
    return answers


def give_consent(world: World, appid: str, openid: str, template_id: str, times: int) -> None:
    """So many messages more."""
    world.store.run(
        """insert into subscriptions (appid, openid, template_id, remaining) values (?, ?, ?, ?)
           on conflict do update set remaining = remaining + excluded.remaining""",
        appid,
        openid,
        template_id,
        times,
    )


def _popup_event(app: App, answers: dict[str, str]) -> dict[str, Any]:
    entries = [
        {"TemplateId": one, "SubscribeStatusString": answer, "PopupScene": "0"}
        for one, answer in answers.items()
    ]
    return event(app, "subscribe_msg_popup_event", entries)


def event(app: App, name: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """An event about subscription messages: JSON has the list at the top, XML below a name."""
    fields: dict[str, Any] = {"MsgType": "event", "Event": name}
    if app.kind == "mini_program":
        return fields | {"List": entries if len(entries) > 1 else entries[0]}
    below = "".join(part.capitalize() for part in name.split("_"))
    return fields | {below: {"List": entries}}


def refuse_consent(world: World, person: Person, app: App, template_id: str) -> None:
    """In the settings of the app: no more of these. The server is told."""
    openid = identify(world, app.appid, person.person_id).openid
    with world.store.writing():
        give_consent(world, app.appid, openid, template_id, 0)
        world.store.run(
            """update subscriptions set remaining = 0, always = 'reject'
                where appid = ? and openid = ? and template_id = ?""",
            app.appid,
            openid,
            template_id,
        )
        entry = {"TemplateId": template_id, "SubscribeStatusString": "reject"}
        tell(world, app, openid, event(app, "subscribe_msg_change_event", [entry]))


def follow(world: World, person: Person, app: App, scene: str = "") -> str:
    """Follow an official account, by a code's scene or by search; the openid."""
    openid = identify(world, app.appid, person.person_id).openid
    with world.store.writing():
        world.store.run(
            """insert into follows values (?, ?, ?, ?, null)
               on conflict do update set followed_at = excluded.followed_at,
                 scene = excluded.scene, ended_at = null""",
            app.appid,
            person.person_id,
            world.at(),
            scene,
        )
        open_window(world, app, openid, FOLLOWED)
        key = f"qrscene_{scene}" if scene else ""
        tell(world, app, openid, {"MsgType": "event", "Event": "subscribe", "EventKey": key})
    return openid


def unfollow(world: World, person: Person, app: App) -> None:
    """Follow no more."""
    openid = identify(world, app.appid, person.person_id).openid
    with world.store.writing():
        if world.store.run(
            """update follows set ended_at = ?
                where appid = ? and person_id = ? and ended_at is null""",
            world.at(),
            app.appid,
            person.person_id,
        ):
            told = {"MsgType": "event", "Event": "unsubscribe", "EventKey": ""}
            tell(world, app, openid, told)


def is_following(world: World, app: App, person_id: str) -> bool:
    """Whether somebody follows an official account."""
    return bool(
        world.store.value(
            "select 1 from follows where appid = ? and person_id = ? and ended_at is null",
            app.appid,
            person_id,
        )
    )


def say(world: World, person: Person, app: App, text: str) -> None:
    """Write to an official account, or to the customer service of a mini-program."""
    if app.kind == "official_account" and not is_following(world, app, person.person_id):
        raise PhoneError("sendMessage:fail not following")
    openid = identify(world, app.appid, person.person_id).openid
    chat = f"{'oa' if app.kind == 'official_account' else 'care'}:{app.appid}"
    with world.store.writing():
        leave(world, person.person_id, chat, "text", {"text": text}, mine=True)
        open_window(world, app, openid, WRITTEN)
        number = secrets.randbelow(10**18) + 10**18
        told = {"MsgType": "text", "Content": text, "MsgId": number}
        tell(world, app, openid, told)
