"""`/_sandbox/…` reaching people: accounts and where they are told, consents, following, chats, what
was sent, and staff who press send."""

import secrets
from typing import Annotated, Any, Literal

import msgspec
from litestar import delete, get, post, put
from litestar.params import Parameter
from msgspec import Meta

from siyu.sandbox import channels, pushes, staff
from siyu.sandbox.channels import Consent, Template
from siyu.sandbox.chats import leave
from siyu.sandbox.people import PhoneError
from siyu.sandbox.pushes import Postman, Push, Target
from siyu.sandbox.registry import Body, Text, find_app, find_person
from siyu.sandbox.world import App, World, add_app, add_person, identify


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """All that a shop is configured with for one account; push: where it is told, if anywhere."""

    account: str
    kind: str
    name: str
    secret: str
    agent_id: str
    push: Target | None


class NewAccount(Body, frozen=True, kw_only=True):
    """An official account or corporation; userids of a corporation's staff."""

    kind: Literal["official_account", "wecom"]
    name: Text
    staff: list[Text] = []


class PushBody(Body, frozen=True, kw_only=True):
    """Where an account is told, and what with; checked as the platform does."""

    url: Annotated[str, Meta(min_length=8, max_length=300)]
    token: Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{3,32}$")]
    aes_key: Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{43}$")]


class TemplateBody(Body, frozen=True, kw_only=True):
    """A new template."""

    title: Text
    content: Text
    example: str = ""


class AskBody(Body, frozen=True, kw_only=True):
    """wx.requestSubscribeMessage."""

    appid: str
    template_ids: list[str]


class AnswerBody(Body, frozen=True, kw_only=True):
    """The answer: which of template_ids are accepted; always: do not ask again."""

    appid: str
    template_ids: list[str]
    accepted: list[str]
    always: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the popup shows, and what is settled already (template_id -> answer)."""

    asked: list[Template]
    settled: dict[str, str]


class FollowBody(Body, frozen=True, kw_only=True):
    """Follow an account, perhaps by a code's scene."""

    account: str
    scene: Annotated[str, Meta(max_length=64)] = ""


class StaffBody(Body, frozen=True, kw_only=True):
    """Add a member of staff, by a code's state."""

    account: str
    userid: Text
    state: Annotated[str, Meta(max_length=30)] = ""


class SayBody(Body, frozen=True, kw_only=True):
    """A line in a chat (`oa:…`, `care:…`, `wecom:…`)."""

    chat: str
    text: Annotated[str, Meta(min_length=1, max_length=2000)]


class Partner(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a chat on the phone who is no person: is_on: followed, or added."""

    chat: str
    kind: str
    account: str
    userid: str
    name: str
    icon_url: str
    is_on: bool


class SendBody(Body, frozen=True, kw_only=True):
    """The member of staff who presses send."""

    userid: Text


class StaffSays(Body, frozen=True, kw_only=True):
    """A member of staff writes to a customer."""

    userid: Text
    person_id: str
    text: Annotated[str, Meta(min_length=1, max_length=2000)]


class CrowdBody(Body, frozen=True, kw_only=True):
    """So many persons more whom an account can reach; consents: messages each takes of template."""

    account: str
    count: Annotated[int, Meta(ge=1, le=100_000)]
    template_id: str | None = None
    consents: Annotated[int, Meta(ge=0, le=1000)] = 1


class Sends(msgspec.Struct, frozen=True, kw_only=True):
    """What reached people: all, and how many different (person, template)."""

    count: int
    persons: int
    twice: int


def _view(world: World, app: App) -> AccountView:
    return AccountView(
        account=app.appid,
        kind=app.kind,
        name=app.name,
        secret=app.secret,
        agent_id="1000002" if app.kind == "wecom" else "",
        push=pushes.get_target(world, app.appid),
    )


@get("/accounts")
async def get_accounts(world: World, kind: str | None = None) -> list[AccountView]:
    """All accounts, in the order they were made."""
    found = world.store.all(
        App, "select * from apps where ?1 is null or kind = ?1 order by rowid", kind
    )
    return [_view(world, app) for app in found]


@post("/accounts")
async def post_account(world: World, data: NewAccount) -> AccountView:
    """Register an official account or a corporation."""
    with world.store.writing():
        app = add_app(world, name=data.name, kind=data.kind)
        for userid in data.staff:
            world.store.run("insert into staff values (?, ?, ?)", app.appid, userid, userid)
    return _view(world, app)


@put("/accounts/{account:str}/push")
async def put_push(world: World, postman: Postman, account: str, data: PushBody) -> AccountView:
    """Set where an account is told. The address is asked first; 409 when it does not prove that it
    knows token and key."""
    app = find_app(world, account)
    target = Target(account=app.appid, url=data.url, token=data.token, aes_key=data.aes_key)
    problem = await postman.check(target, app)
    if problem:
        raise PhoneError(f"push:fail {problem}")
    world.store.run("delete from push_targets where account = ?", app.appid)
    world.store.insert("push_targets", target)
    return _view(world, app)


@delete("/accounts/{account:str}/push")
async def delete_push(world: World, account: str) -> None:
    """Nobody is told any more."""
    world.store.run("delete from push_targets where account = ?", account)


@get("/pushes")
async def get_pushes(world: World, account: str | None = None) -> list[Push]:
    """The newest 100 with what became of them."""
    return world.store.all(
        Push,
        "select * from pushes where ?1 is null or account = ?1 order by push_id desc limit 100",
        account,
    )


@get("/accounts/{account:str}/templates")
async def get_templates(world: World, account: str) -> list[Template]:
    """Its templates."""
    return channels.list_templates(world, find_app(world, account).appid)


@post("/accounts/{account:str}/templates")
async def post_template(world: World, account: str, data: TemplateBody) -> Template:
    """A new template."""
    app = find_app(world, account)
    return channels.add_template(world, app.appid, data.title, data.content, data.example)


@post("/people/{person_id:str}/subscribe-ask", status_code=200)
async def post_subscribe_ask(world: World, person_id: str, data: AskBody) -> Asked:
    """What the popup shows; 409 with errMsg when it would not open."""
    person, app = find_person(world, person_id), find_app(world, data.appid)
    asked, settled = channels.ask_consents(world, person, app, data.template_ids)
    return Asked(asked=asked, settled=settled)


@post("/people/{person_id:str}/subscribe", status_code=200)
async def post_subscribe(world: World, person_id: str, data: AnswerBody) -> dict[str, str]:
    """Answer the popup; template_id -> accept or reject."""
    return channels.answer_consents(
        world,
        find_person(world, person_id),
        find_app(world, data.appid),
        data.template_ids,
        data.accepted,
        always=data.always,
    )


@get("/people/{person_id:str}/subscriptions/{appid:str}")
async def get_subscriptions(world: World, person_id: str, appid: str) -> list[Consent]:
    """What a person will still take, by template."""
    return channels.list_consents(world, find_person(world, person_id), find_app(world, appid))


@delete("/people/{person_id:str}/subscriptions/{appid:str}/{template_id:str}")
async def delete_subscription(world: World, person_id: str, appid: str, template_id: str) -> None:
    """In the settings of the app: no more of these."""
    person, app = find_person(world, person_id), find_app(world, appid)
    channels.refuse_consent(world, person, app, template_id)


@post("/people/{person_id:str}/follow", status_code=200)
async def post_follow(world: World, person_id: str, data: FollowBody) -> dict[str, str]:
    """Follow an official account."""
    person, app = find_person(world, person_id), find_app(world, data.account)
    return {"openid": channels.follow(world, person, app, data.scene)}


@post("/people/{person_id:str}/unfollow", status_code=204)
async def post_unfollow(world: World, person_id: str, data: FollowBody) -> None:
    """Follow no more."""
    channels.unfollow(world, find_person(world, person_id), find_app(world, data.account))


@post("/people/{person_id:str}/add-staff", status_code=200)
async def post_add_staff(world: World, person_id: str, data: StaffBody) -> dict[str, str]:
    """Become a customer of a member of staff."""
    person, app = find_person(world, person_id), find_app(world, data.account)
    return {"external_userid": staff.add_staff_contact(world, person, app, data.userid, data.state)}


@post("/people/{person_id:str}/drop-staff", status_code=204)
async def post_drop_staff(world: World, person_id: str, data: StaffBody) -> None:
    """Delete a member of staff."""
    person, app = find_person(world, person_id), find_app(world, data.account)
    staff.drop_staff_contact(world, person, app, data.userid, by="person")


@post("/people/{person_id:str}/say", status_code=204)
async def post_say(world: World, person_id: str, data: SayBody) -> None:
    """Write in a chat."""
    person = find_person(world, person_id)
    kind, _, rest = data.chat.partition(":")
    app = find_app(world, rest.partition(":")[0])
    if kind == "wecom":
        leave(world, person_id, data.chat, "text", {"text": data.text}, mine=True)
    else:
        channels.say(world, person, app, data.text)


@get("/people/{person_id:str}/partners")
async def get_partners(world: World, person_id: str) -> list[Partner]:
    """With whom this person can chat, beside other persons."""
    person = find_person(world, person_id)
    found = []
    for app in world.store.all(App, "select * from apps order by rowid"):
        icon = f"/_sandbox/apps/{app.appid}/icon.svg"
        if app.kind == "official_account":
            found.append(
                Partner(
                    chat=f"oa:{app.appid}", kind=app.kind, account=app.appid, userid="",
                    name=app.name, icon_url=icon,
                    is_on=channels.is_following(world, app, person.person_id),
                )
            )  # fmt: skip
        elif app.kind == "mini_program":
            found.append(
                Partner(
                    chat=f"care:{app.appid}", kind="care", account=app.appid, userid="",
                    name=app.name, icon_url=icon, is_on=True,
                )
            )  # fmt: skip
        else:
            found += _staff_partners(world, app, person.person_id, icon)
    return found


class _Member(msgspec.Struct, frozen=True):
    userid: str
    name: str
    is_on: int


def _staff_partners(world: World, app: App, person_id: str, icon: str) -> list[Partner]:
    rows = world.store.all(
        _Member,
        """select s.userid, s.name,
                  exists (select 1 from contacts c where c.corpid = s.corpid
                            and c.userid = s.userid and c.person_id = ? and c.ended_at is null)
                    as is_on
             from staff s where s.corpid = ? order by s.rowid""",
        person_id,
        app.appid,
    )
    return [
        Partner(
            chat=f"wecom:{app.appid}:{row.userid}", kind="wecom", account=app.appid,
            userid=row.userid, name=f"{row.name}@{app.name}", icon_url=icon, is_on=bool(row.is_on),
        )
        for row in rows
    ]  # fmt: skip


@get("/wecom/{account:str}/tasks")
async def get_tasks(world: World, account: str) -> list[dict[str, Any]]:
    """Mass messages and who of the staff has sent theirs."""
    return staff.list_tasks(world, find_app(world, account))


@post("/wecom/{account:str}/tasks/{msgid:str}/send", status_code=200)
async def post_task_send(world: World, account: str, msgid: str, data: SendBody) -> dict[str, int]:
    """A member of staff presses send."""
    return {"sent": staff.press_send(world, find_app(world, account), msgid, data.userid)}


@post("/wecom/{account:str}/say", status_code=204)
async def post_staff_says(world: World, account: str, data: StaffSays) -> None:
    """A member of staff writes to a customer by hand."""
    person = find_person(world, data.person_id)
    app = find_app(world, account)
    staff.staff_says(world, app, data.userid, person.person_id, data.text)


@get("/sends")
async def get_sends(
    world: World,
    account: str | None = None,
    channel: str | None = None,
    since: Annotated[float, Parameter(ge=0)] = 0.0,
) -> Sends:
    """What reached people; `twice`: more than once the same template."""
    return world.store.all(
        Sends,
        """select coalesce(sum(n), 0) as count, count(distinct openid) as persons,
                  coalesce(sum(n > 1), 0) as twice
             from (select openid, template_id, count(*) as n from sends
                    where (?1 is null or account = ?1) and (?2 is null or channel = ?2)
                      and at >= ?3
                    group by 1, 2)""",
        account,
        channel,
        since,
    )[0]


@post("/crowd")
async def post_crowd(world: World, data: CrowdBody) -> dict[str, list[str]]:
    """Many persons at once, for measuring; their openids, or external_userids of a corporation."""
    app, made = find_app(world, data.account), []
    member = world.store.value(
        "select userid from staff where corpid = ? order by rowid limit 1", app.appid
    )
    with world.store.writing():
        for _ in range(data.count):
            phone = f"17{secrets.randbelow(10**9):09d}"
            person = add_person(world, name="路人", phone=phone, balance_fen=0, listed=False)
            openid = identify(world, app.appid, person.person_id).openid
            if app.kind == "wecom":
                openid = staff.external_userid(app, person.person_id)
                world.store.run(
                    "insert into contacts values (?, ?, ?, ?, '', ?, null)",
                    app.appid, openid, member, person.person_id, world.at(),
                )  # fmt: skip
            elif app.kind == "official_account":
                world.store.run(
                    "insert into follows values (?, ?, ?, '', null)",
                    app.appid, person.person_id, world.at(),
                )  # fmt: skip
            if data.template_id:
                channels.give_consent(world, app.appid, openid, data.template_id, data.consents)
            made.append(openid)
    return {"openids": made}


routes = [
    get_accounts,
    post_account,
    put_push,
    delete_push,
    get_pushes,
    get_templates,
    post_template,
    post_subscribe_ask,
    post_subscribe,
    get_subscriptions,
    delete_subscription,
    post_follow,
    post_unfollow,
    post_add_staff,
    post_drop_staff,
    post_say,
    get_partners,
    get_tasks,
    post_task_send,
    post_staff_says,
    get_sends,
    post_crowd,
]
