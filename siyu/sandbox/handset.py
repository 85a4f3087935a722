"""`/_sandbox/people/…` what people do: codes, consent, paying, sharing, reading, scanning."""

from typing import Any, Literal

import msgspec
from litestar import delete, get, post

from siyu.sandbox import chats, people, tasks
from siyu.sandbox.chats import GROUP, Message
from siyu.sandbox.people import Method, Outcome, PayArgs, PaySheet, PhoneError
from siyu.sandbox.registry import Body, Text, find_app, find_person
from siyu.sandbox.transfers import TransferCard
from siyu.sandbox.world import World


class InApp(Body, frozen=True, kw_only=True):
    """In which app it happens."""

    appid: str


class AllowBody(Body, frozen=True, kw_only=True):
    """What is allowed, in which app."""

    appid: str
    scope: Text


class SheetBody(Body, frozen=True, kw_only=True):
    """Either the arguments of wx.requestPayment with the app, or a scanned code_url."""

    appid: str | None = None
    args: PayArgs | None = None
    code_url: str | None = None


class PayBody(Body, frozen=True, kw_only=True):
    """`prepay_id`, bare, or a code_url."""

    prepay_id: str
    outcome: Outcome = "success"
    method: Method = "card"


class TransferPage(Body, frozen=True, kw_only=True):
    """The arguments of wx.requestMerchantTransfer; app and merchant are checked if given."""

    package: str
    appid: str | None = None
    mch_id: str | None = None


class TransferAnswer(Body, frozen=True, kw_only=True):
    """What the person answers to a package_info."""

    package: str
    accepts: bool = True


class ShareBody(Body, frozen=True, kw_only=True):
    """A card of the app for a friend, or for the `group`: title, path, imageUrl."""

    appid: str
    to: str
    card: dict[str, Any] = {}


class ReadBody(Body, frozen=True, kw_only=True):
    """Which chat was read."""

    chat: str


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that was made."""

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
    """What wx.login gives the page."""
    person = find_person(world, person_id)
    return {"code": people.issue_code(world, person, data.appid, "login")}


@post("/people/{person_id:str}/phone-code")
async def post_phone_code(world: World, person_id: str, data: InApp) -> dict[str, str]:
    """What getPhoneNumber gives the page."""
    person = find_person(world, person_id)
    return {"code": people.issue_code(world, person, data.appid, "phone")}


@get("/people/{person_id:str}/grants/{appid:str}")
async def get_grants(world: World, person_id: str, appid: str) -> list[str]:
    """What this person has allowed an app."""
    return people.list_grants(world, find_person(world, person_id), appid)


@post("/people/{person_id:str}/grants")
async def post_grant(world: World, person_id: str, data: AllowBody) -> list[str]:
    """Allow something for good."""
    person = find_person(world, person_id)
    people.allow(world, person, data.appid, data.scope)
    return people.list_grants(world, person, data.appid)


@delete("/people/{person_id:str}/grants/{appid:str}")
async def delete_grants(world: World, person_id: str, appid: str) -> None:
    """The app has to ask again."""
    people.forget_grants(world, find_person(world, person_id), appid)


@post("/people/{person_id:str}/pay-sheet", status_code=200)
async def post_pay_sheet(world: World, person_id: str, data: SheetBody) -> PaySheet:
    """What the sheet shows; 409 with errMsg when it would not open."""
    person = find_person(world, person_id)
    if data.code_url:
        return people.look_at(world, person, data.code_url)
    if not data.appid or not data.args:
        raise PhoneError("requestPayment:fail parameter error")
    return people.open_sheet(world, person, data.appid, data.args)


@post("/people/{person_id:str}/pay", status_code=200)
async def post_pay(world: World, person_id: str, data: PayBody) -> Paid:
    """Pay, cancel or fail; 409 with errMsg unless paid."""
    person = find_person(world, person_id)
    order = people.pay(world, person, data.prepay_id, data.outcome, data.method)
    return Paid(
        transaction_id=order.transaction_id,
        amount_fen=order.total_fen,
        out_trade_no=order.out_trade_no,
    )


@post("/people/{person_id:str}/transfer-sheet", status_code=200)
async def post_transfer_sheet(world: World, person_id: str, data: TransferPage) -> TransferCard:
    """What the page of confirming shows; 409 with errMsg when it would not open."""
    tasks.run_due(world)
    person, app = find_person(world, person_id), None
    if data.appid:
        app = find_app(world, data.appid)
    return people.look_at_transfer(world, person, data.package, app, data.mch_id)


@post("/people/{person_id:str}/transfer", status_code=200)
async def post_transfer_answer(world: World, person_id: str, data: TransferAnswer) -> TransferCard:
    """Confirm or decline; 409 with errMsg when it is not this person's to answer."""
    tasks.run_due(world)
    person = find_person(world, person_id)
    return people.answer_transfer(world, person, data.package, accepts=data.accepts)


@get("/people/{person_id:str}/messages")
async def get_messages(world: World, person_id: str) -> list[Message]:
    """All chats of this person, oldest first."""
    tasks.run_due(world)
    return chats.list_messages(world, find_person(world, person_id))


@post("/people/{person_id:str}/messages/read", status_code=204)
async def post_read(world: World, person_id: str, data: ReadBody) -> None:
    """A chat was opened."""
    chats.mark_read(world, find_person(world, person_id), data.chat)


@post("/people/{person_id:str}/share", status_code=204)
async def post_share(world: World, person_id: str, data: ShareBody) -> None:
    """Send a card to a friend or to the group."""
    sender = find_person(world, person_id)
    to = None if data.to == GROUP else find_person(world, data.to)
    people.share(world, sender, find_app(world, data.appid), to, data.card)


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


routes = [
    post_login_code,
    post_phone_code,
    get_grants,
    post_grant,
    delete_grants,
    post_pay_sheet,
    post_pay,
    post_transfer_sheet,
    post_transfer_answer,
    get_messages,
    post_read,
    post_share,
    get_scannable,
]
