"""`/_sandbox/…`: who exists, what goes wrong, what was delivered, and what people do.

For operators, tests and programs on this machine. There is no login, so requests from pages of
other origins are refused.
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, Router, delete, get, patch, post, put
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import BaseRouteHandler
from msgspec import Meta

from siyu.sandbox import faults, limits, notify, people, pictures, world as cast
from siyu.sandbox.notify import Courier
from siyu.sandbox.pay import Order
from siyu.sandbox.people import Message, Method, Outcome, PayArgs, PaySheet, PhoneError
from siyu.sandbox.world import App, Merchant, Person, World

Kind = Literal["public_key", "certificate"]
Text = Annotated[str, Meta(min_length=1, max_length=200)]


def refuse_foreign_pages(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A page of another origin may not act here, not even the shop in the frame."""
    origin = connection.headers.get("origin")
    own = f"{connection.url.scheme}://{connection.headers.get('host')}"
    if origin is not None and origin != own:
        raise HTTPException("cross-origin request", status_code=403)


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


# -- who exists ----------------------------------------------------------------------------------


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a shop has to be configured with to use this sandbox."""

    api_url: str
    pay_url: str
    appid: str | None
    secret: str | None
    mchid: str
    merchant_name: str
    serial_no: str
    private_key_pem: str | None
    certificate_pem: str
    api_v3_key: str
    public_key_id: str
    public_key_pem: str
    certificates: dict[str, str]
    signing: str


class NewMerchant(_Body, kw_only=True):
    """What is missing is made. `public_pem` is a certificate, or a key with its `serial`."""

    name: Text
    mchid: Annotated[str, Meta(pattern=r"^\d{8,10}$")] | None = None
    api_v3_key: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{32}$")] | None = None
    public_pem: str | None = None
    serial: str | None = None
    signing: Literal["public_key", "certificate", "mixed"] = "public_key"


class MerchantChange(_Body, kw_only=True):
    name: Text | None = None
    api_v3_key: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{32}$")] | None = None
    signing: Literal["public_key", "certificate", "mixed"] | None = None


class NewApp(_Body, kw_only=True):
    name: Text
    appid: Annotated[str, Meta(pattern=r"^wx[0-9a-f]{16}$")] | None = None
    secret: Annotated[str, Meta(min_length=16, max_length=64)] | None = None
    tagline: str = ""
    icon_url: str | None = None
    shop_url: str | None = None
    mchid: str | None = None


class AppChange(_Body, kw_only=True):
    name: Text | None = None
    tagline: str | None = None
    icon_url: str | None = None
    shop_url: str | None = None
    mchid: str | None = None


class AppView(msgspec.Struct, frozen=True, kw_only=True):
    appid: str
    name: str
    tagline: str
    icon_url: str
    shop_url: str | None
    mchid: str | None


class NewPerson(_Body, kw_only=True):
    name: Text
    phone: Annotated[str, Meta(pattern=r"^\d{5,15}$")]
    balance_fen: Annotated[int, Meta(ge=0)] = 100_000


class PersonChange(_Body, kw_only=True):
    name: Text | None = None
    phone: Annotated[str, Meta(pattern=r"^\d{5,15}$")] | None = None
    balance_fen: Annotated[int, Meta(ge=0)] | None = None
    risky: Literal[0, 1] | None = None


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    person_id: str
    name: str
    phone: str
    avatar_url: str
    balance_fen: int
    unread: int


def _change(world: World, table: str, key: str, value: str, change: _Body) -> None:
    given = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not None}
    if given:
        columns = ", ".join(f"{name} = ?" for name in given)
        world.store.run(
            f"update {table} set {columns} where {key} = ?",  # noqa: S608
            *given.values(),
            value,
        )


def _merchant(world: World, mchid: str | None) -> Merchant:
    found = (
        cast.get_merchant(world, mchid)
        if mchid
        else world.store.maybe(Merchant, "select * from merchants order by rowid limit 1")
    )
    if found is None:
        raise NotFoundException("no such merchant")
    return found


def _app(world: World, appid: str) -> App:
    found = cast.get_app(world, appid)
    if found is None:
        raise NotFoundException("no such app")
    return found


def _person(world: World, person_id: str) -> Person:
    found = cast.get_person(world, person_id)
    if found is None:
        raise NotFoundException("no such person")
    return found


def _credentials(world: World, merchant: Merchant, appid: str | None = None) -> Credentials:
    app = world.store.maybe(
        App,
        "select * from apps where mchid = ?1 and (?2 is null or appid = ?2) order by rowid limit 1",
        merchant.mchid,
        appid,
    )
    public = cast.list_signers(world, "public_key")[0]
    return Credentials(
        api_url=world.settings.public_url,
        pay_url=world.settings.public_url,
        appid=app.appid if app else None,
        secret=app.secret if app else None,
        mchid=merchant.mchid,
        merchant_name=merchant.name,
        serial_no=merchant.serial,
        private_key_pem=merchant.private_pem,
        certificate_pem=merchant.public_pem,
        api_v3_key=merchant.api_v3_key,
        public_key_id=public.serial,
        public_key_pem=public.public_pem,
        certificates={
            signer.serial: signer.public_pem for signer in cast.list_signers(world, "certificate")
        },
        signing=merchant.signing,
    )


def _app_view(app: App) -> AppView:
    return AppView(
        appid=app.appid,
        name=app.name,
        tagline=app.tagline,
        icon_url=app.icon_url or f"/_sandbox/apps/{app.appid}/icon.svg",
        shop_url=app.shop_url,
        mchid=app.mchid,
    )


def _person_view(world: World, person: Person) -> PersonView:
    return PersonView(
        person_id=person.person_id,
        name=person.name,
        phone=person.phone,
        avatar_url=f"/_sandbox/people/{person.person_id}/avatar.svg",
        balance_fen=person.balance_fen,
        unread=world.store.value(
            "select count(*) from messages where person_id = ? and read_at is null",
            person.person_id,
        ),
    )


@get("/health")
async def get_health() -> dict[str, str]:
    return {"status": "ok"}


@get("/credentials")
async def get_credentials(
    world: World, mchid: str | None = None, appid: str | None = None
) -> Credentials:
    """A merchant's full set (the first one's without `mchid`)."""
    return _credentials(world, _merchant(world, mchid), appid)


@post("/merchants")
async def post_merchant(world: World, data: NewMerchant) -> Credentials:
    with world.store.writing():
        merchant = cast.add_merchant(world, **msgspec.structs.asdict(data))
    return _credentials(world, merchant)


@patch("/merchants/{mchid:str}")
async def patch_merchant(world: World, mchid: str, data: MerchantChange) -> Credentials:
    _change(world, "merchants", "mchid", _merchant(world, mchid).mchid, data)
    return _credentials(world, _merchant(world, mchid))


@get("/apps")
async def get_apps(world: World) -> list[AppView]:
    return [_app_view(app) for app in world.store.all(App, "select * from apps order by rowid")]


@post("/apps")
async def post_app(world: World, data: NewApp) -> dict[str, str]:
    with world.store.writing():
        app = cast.add_app(world, **msgspec.structs.asdict(data))
    return {"appid": app.appid, "secret": app.secret}


@patch("/apps/{appid:str}")
async def patch_app(world: World, appid: str, data: AppChange) -> AppView:
    _change(world, "apps", "appid", _app(world, appid).appid, data)
    return _app_view(_app(world, appid))


@get("/apps/{appid:str}/icon.svg")
async def get_icon(world: World, appid: str) -> Response[str]:
    return Response(pictures.draw_icon(_app(world, appid).name), media_type="image/svg+xml")


@get("/people")
async def get_people(world: World) -> list[PersonView]:
    found = world.store.all(Person, "select * from people order by rowid")
    return [_person_view(world, person) for person in found]


@post("/people")
async def post_person(world: World, data: NewPerson) -> PersonView:
    with world.store.writing():
        person = cast.add_person(world, **msgspec.structs.asdict(data))
    return _person_view(world, person)


@patch("/people/{person_id:str}")
async def patch_person(world: World, person_id: str, data: PersonChange) -> PersonView:
    _change(world, "people", "person_id", _person(world, person_id).person_id, data)
    return _person_view(world, _person(world, person_id))


@get("/people/{person_id:str}/avatar.svg")
async def get_avatar(world: World, person_id: str) -> Response[str]:
    return Response(
        pictures.draw_portrait(_person(world, person_id).look), media_type="image/svg+xml"
    )


# -- what people do ------------------------------------------------------------------------------


class InApp(_Body, kw_only=True):
    appid: str


class AllowBody(_Body, kw_only=True):
    appid: str
    scope: Text


class SheetBody(_Body, kw_only=True):
    """Either the arguments of wx.requestPayment with the app, or a scanned code_url."""

    appid: str | None = None
    args: PayArgs | None = None
    code_url: str | None = None


class PayBody(_Body, kw_only=True):
    """`prepay_id`, bare, or a code_url."""

    prepay_id: str
    outcome: Outcome = "success"
    method: Method = "card"


class ShareBody(_Body, kw_only=True):
    appid: str
    to: str
    card: dict[str, Any] = {}


class ReadBody(_Body, kw_only=True):
    chat: str


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    transaction_id: str | None
    amount_fen: int
    out_trade_no: str


class Scannable(msgspec.Struct, frozen=True, kw_only=True):
    """Something the camera could see: a mini-program code or an open Native order."""

    kind: Literal["page", "pay"]
    appid: str
    title: str
    page: str
    scene: str
    code_url: str


@post("/people/{person_id:str}/login-code")
async def post_login_code(world: World, person_id: str, data: InApp) -> dict[str, str]:
    person = _person(world, person_id)
    return {"code": people.issue_code(world, person, data.appid, "login")}


@post("/people/{person_id:str}/phone-code")
async def post_phone_code(world: World, person_id: str, data: InApp) -> dict[str, str]:
    person = _person(world, person_id)
    return {"code": people.issue_code(world, person, data.appid, "phone")}


@get("/people/{person_id:str}/grants/{appid:str}")
async def get_grants(world: World, person_id: str, appid: str) -> list[str]:
    return people.list_grants(world, _person(world, person_id), appid)


@post("/people/{person_id:str}/grants")
async def post_grant(world: World, person_id: str, data: AllowBody) -> list[str]:
    person = _person(world, person_id)
    people.allow(world, person, data.appid, data.scope)
    return people.list_grants(world, person, data.appid)


@delete("/people/{person_id:str}/grants/{appid:str}")
async def delete_grants(world: World, person_id: str, appid: str) -> None:
    people.forget_grants(world, _person(world, person_id), appid)


@post("/people/{person_id:str}/pay-sheet", status_code=200)
async def post_pay_sheet(world: World, person_id: str, data: SheetBody) -> PaySheet:
    person = _person(world, person_id)
    if data.code_url:
        return people.look_at(world, person, data.code_url)
    if not data.appid or not data.args:
        raise PhoneError("requestPayment:fail parameter error")
    return people.open_sheet(world, person, data.appid, data.args)


@post("/people/{person_id:str}/pay", status_code=200)
async def post_pay(world: World, person_id: str, data: PayBody) -> Paid:
    person = _person(world, person_id)
    order = people.pay(world, person, data.prepay_id, data.outcome, data.method)
    return Paid(
        transaction_id=order.transaction_id,
        amount_fen=order.total_fen,
        out_trade_no=order.out_trade_no,
    )


@get("/people/{person_id:str}/messages")
async def get_messages(world: World, person_id: str) -> list[Message]:
    return people.list_messages(world, _person(world, person_id))


@post("/people/{person_id:str}/messages/read", status_code=204)
async def post_read(world: World, person_id: str, data: ReadBody) -> None:
    people.mark_read(world, _person(world, person_id), data.chat)


@post("/people/{person_id:str}/share", status_code=204)
async def post_share(world: World, person_id: str, data: ShareBody) -> None:
    sender, to = _person(world, person_id), _person(world, data.to)
    people.share(world, sender, _app(world, data.appid), to, data.card)


@get("/scannable")
async def get_scannable(world: World) -> list[Scannable]:
    """What a phone could scan now, newest first."""
    return world.store.all(
        Scannable,
        """select * from (
             select 'page' as kind, p.appid, a.name as title, p.page, p.scene, '' as code_url,
                    p.made_at as at
               from pictures p join apps a on a.appid = p.appid
             union all
             select 'pay', o.appid, o.description, '', '', t.ticket, o.created_at
               from prepays t join orders o using (mchid, out_trade_no)
              where o.trade_type = 'NATIVE' and o.state = 'NOTPAY' and t.expires_at > ?)
           order by at desc limit 30""",
        world.at(),
    )


# -- what goes wrong -----------------------------------------------------------------------------


class NewFault(_Body, kw_only=True):
    """`times` null: until removed. Options: see `faults.Fault`."""

    kind: str
    operation: str = "notify"
    mchid: str | None = None
    times: Annotated[int, Meta(ge=1)] | None = 1
    options: dict[str, Any] = {}


class FaultView(msgspec.Struct, frozen=True, kw_only=True):
    fault_id: int
    kind: str
    operation: str
    mchid: str | None
    remaining: int | None
    options: dict[str, Any]
    happened: int


def _fault_view(fault: faults.Fault) -> FaultView:
    values = msgspec.structs.asdict(fault)
    return FaultView(**values | {"options": msgspec.json.decode(fault.options)})


@get("/faults")
async def get_faults(world: World) -> list[FaultView]:
    return [_fault_view(fault) for fault in faults.list_faults(world)]


@post("/faults")
async def post_fault(world: World, data: NewFault) -> FaultView:
    if data.kind not in faults.KINDS or data.operation not in faults.OPERATIONS:
        raise HTTPException("unknown kind or operation", status_code=422)
    return _fault_view(
        faults.order(world, data.kind, data.operation, data.mchid, data.times, data.options)
    )


@delete("/faults")
async def delete_faults(world: World) -> None:
    world.store.run("delete from faults")


@delete("/faults/{fault_id:int}")
async def delete_fault(world: World, fault_id: int) -> None:
    world.store.run("delete from faults where fault_id = ?", fault_id)


class RotateBody(_Body, kw_only=True):
    kind: Kind


class LimitBody(_Body, kw_only=True):
    """`subject`: an appid, mchid or openid, or `*` for all."""

    subject: str
    operation: str
    seconds: Annotated[int, Meta(ge=1)]
    calls: Annotated[int, Meta(ge=0)]


class SettingsBody(_Body, kw_only=True):
    """`clock_skew_seconds` moves WeChat's clock; `time_factor` compresses the schedule."""

    clock_skew_seconds: Annotated[int, Meta(ge=-86400 * 400, le=86400 * 400)] | None = None
    time_factor: Annotated[float, Meta(gt=0)] | None = None


@post("/keys/rotate")
async def post_rotate(world: World, data: RotateBody) -> dict[str, str]:
    with world.store.writing():
        signer = cast.rotate_signer(world, data.kind)
    return {"serial": signer.serial, "public_pem": signer.public_pem}


@put("/limits", status_code=204)
async def put_limit(world: World, data: LimitBody) -> None:
    world.store.run(
        "insert or replace into limits values (?, ?, ?, ?)",
        data.subject,
        data.operation,
        data.seconds,
        data.calls,
    )


@get("/settings")
async def get_settings(world: World) -> dict[str, Any]:
    return {
        "clock_skew_seconds": int(world.setting("clock_skew_seconds", "0")),
        "time_factor": world.time_factor(),
        "operations": faults.OPERATIONS,
        "faults": [
            {"kind": kind, "where": where, "zh": zh, "en": en}
            for kind, (where, zh, en) in faults.KINDS.items()
        ],
        "limits": {name: list(rows) for name, rows in limits.PUBLISHED.items()},
    }


@patch("/settings")
async def patch_settings(world: World, data: SettingsBody) -> dict[str, Any]:
    if data.clock_skew_seconds is not None:
        world.set_setting("clock_skew_seconds", str(data.clock_skew_seconds))
    if data.time_factor is not None:
        world.set_setting("time_factor", str(data.time_factor))
    world.due.set()
    return {"clock_skew_seconds": data.clock_skew_seconds, "time_factor": world.time_factor()}


# -- what was delivered --------------------------------------------------------------------------


class NotificationView(msgspec.Struct, frozen=True, kw_only=True):
    notification_id: str
    mchid: str
    out_trade_no: str
    notify_url: str
    created_at: float
    next_at: float | None
    state: str
    failures: int
    tries: list[notify.Try]


@get("/notifications")
async def get_notifications(
    world: World, out_trade_no: str | None = None, limit: int = 50
) -> list[NotificationView]:
    """The newest, each with every try and its answer."""
    views = []
    for row in world.store.all(
        notify.Notification,
        """select * from notifications where ?1 is null or out_trade_no = ?1
            order by created_at desc, notification_id desc limit ?2""",
        out_trade_no,
        max(1, min(limit, 500)),
    ):
        tries = world.store.all(
            notify.Try,
            """select notification_id, at, kind, status, answer, took_ms, verdict
                 from tries where notification_id = ? order by try_id""",
            row.notification_id,
        )
        values = msgspec.structs.asdict(row)
        kept = {name: values[name] for name in NotificationView.__struct_fields__ if name in values}
        views.append(NotificationView(**kept, tries=tries))
    return views


@post("/notifications/{notification_id:str}/send", status_code=202)
async def post_send(world: World, notification_id: str) -> None:
    """Send once more now, delivered or not."""
    if not world.store.run(
        "update notifications set state = 'waiting', next_at = ? where notification_id = ?",
        world.at(),
        notification_id,
    ):
        raise NotFoundException("no such notification")
    world.due.set()


@post("/notifications/deliver", status_code=200)
async def post_deliver(world: World, courier: Courier) -> dict[str, int]:
    """Deliver what is due and wait for the answers (for tests and turned clocks)."""
    return {"delivered": await courier.deliver_due()}


@get("/conformance")
async def get_conformance(world: World) -> dict[str, Any]:
    """What receivers got wrong: answers that accepted what had to be refused."""
    rows = world.store.all(
        notify.Try,
        """select notification_id, at, kind, status, answer, took_ms, verdict from tries
            where verdict = 'conformance_failed' order by try_id desc limit 100""",
    )
    refused = world.store.value(
        "select count(*) from tries where kind in ('probe', 'tampered') and verdict = 'refused'"
    )
    return {"passed": not rows, "refused_as_due": refused, "failures": rows}


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    mchid: str
    out_trade_no: str
    trade_type: str
    state: str
    total_fen: int
    transaction_id: str | None
    paid_at: float | None


@get("/orders")
async def get_orders(world: World, mchid: str | None = None) -> list[OrderView]:
    found = world.store.all(
        Order,
        "select * from orders where ?1 is null or mchid = ?1 order by created_at desc limit 200",
        mchid,
    )
    return [
        OrderView(**{name: getattr(order, name) for name in OrderView.__struct_fields__})
        for order in found
    ]


router = Router(
    "/_sandbox",
    guards=[refuse_foreign_pages],
    route_handlers=[
        get_health, get_credentials, post_merchant, patch_merchant, get_apps, post_app, patch_app,
        get_icon, get_people, post_person, patch_person, get_avatar, post_login_code,
        post_phone_code, get_grants, post_grant, delete_grants, post_pay_sheet, post_pay, get_messages, post_read,
        post_share, get_scannable, get_faults, post_fault, delete_faults, delete_fault, post_rotate,
        put_limit, get_settings, patch_settings, get_notifications, post_send, post_deliver,
        get_conformance, get_orders,
    ],
)  # fmt: skip
