"""What people do with their phones: log in, allow, pay, share, read.

Used by the page at /phone/ and by programs through `/_sandbox/people/…`.
"""

import secrets
from typing import Any, Literal

import msgspec

from siyu.sandbox import authorizations, bank, freezing, notify, transfers
from siyu.sandbox.chats import GROUP, leave
from siyu.sandbox.mini_program import CODE_SECONDS, Code
from siyu.sandbox.orders import Order, find_order, transaction_view
from siyu.sandbox.transfers import TransferCard
from siyu.sandbox.world import (
    App,
    Merchant,
    Person,
    World,
    get_app,
    get_merchant,
    identify,
    list_people,
)
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import SignatureRefused

Outcome = Literal["success", "cancel", "fail"]
Method = Literal["card", "balance"]
BANK_TYPES: dict[Method, str] = {"card": "CMB_DEBIT", "balance": "OTHERS"}


class PhoneError(Exception):
    """What the phone shows or the page is told, as WeChat's `errMsg`."""

    def __init__(self, err_msg: str) -> None:
        super().__init__(err_msg)
        self.err_msg = err_msg


class PaySheet(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the pay sheet."""

    ticket: str
    amount_fen: int
    merchant_name: str
    description: str
    balance_fen: int


class PayArgs(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The arguments of wx.requestPayment; `package` is `prepay_id=…`."""

    time_stamp: str
    nonce_str: str
    package: str
    sign_type: str
    pay_sign: str


class Prepay(msgspec.Struct, frozen=True, kw_only=True):
    """A prepay_id or code_url and the order behind it."""

    ticket: str
    mchid: str
    out_trade_no: str
    expires_at: float


def issue_code(world: World, person: Person, appid: str, kind: Literal["login", "phone"]) -> str:
    """The code that wx.login or getPhoneNumber hands to the page: once, five minutes."""
    app = get_app(world, appid)
    if app is None:
        raise PhoneError("login:fail invalid appid")
    code = ("0" if kind == "login" else "p") + secrets.token_hex(16)[:31]
    now = world.at()
    with world.store.writing():
        world.store.run("delete from codes where issued_at < ?", now - 10 * CODE_SECONDS)
        world.store.insert(
            "codes",
            Code(code=code, kind=kind, appid=appid, person_id=person.person_id, issued_at=now),
        )
        if kind == "phone":
            given = {"app_name": app.name, "phone": f"{person.phone[:3]}****{person.phone[-4:]}"}
            leave(world, person.person_id, "service", "notice", given)
    return code


def open_sheet(world: World, person: Person, appid: str, args: PayArgs) -> PaySheet:
    """What wx.requestPayment does before the sheet: check paySign, the order, and who pays."""
    app = get_app(world, appid)
    merchant = get_merchant(world, app.mchid) if app and app.mchid else None
    if app is None or merchant is None:
        raise PhoneError("requestPayment:fail 商户未绑定此小程序")
    text = transport.pay_message(appid, args.time_stamp, args.nonce_str, args.package)
    try:
        transport.verify(text, args.pay_sign, merchant.public_pem)
    except SignatureRefused:
        raise PhoneError("requestPayment:fail 支付验证签名失败") from None
    if args.sign_type != "RSA" or not args.package.startswith("prepay_id="):
        raise PhoneError("requestPayment:fail 支付参数错误")
    return look_at(world, person, args.package.removeprefix("prepay_id="), appid)


def look_at(world: World, person: Person, ticket: str, appid: str | None = None) -> PaySheet:
    """The sheet of a prepay_id or a scanned code_url, if this person may pay it now."""
    order, merchant = _payable(world, person, ticket, appid)
    return PaySheet(
        ticket=ticket,
        amount_fen=order.total_fen,
        merchant_name=merchant.name,
        description=order.description,
        balance_fen=person.balance_fen,
    )


def _payable(
    world: World, person: Person, ticket: str, appid: str | None = None
) -> tuple[Order, Merchant]:
    prepay = world.store.maybe(Prepay, "select * from prepays where ticket = ?", ticket)
    order = find_order(world, prepay.mchid, prepay.out_trade_no) if prepay else None
    if prepay is None or order is None or (appid and order.appid != appid):
        raise PhoneError("requestPayment:fail 支付参数错误")
    if order.state == "SUCCESS":
        raise PhoneError("requestPayment:fail 该订单已支付")
    now = world.at()
    if order.state == "CLOSED" or now > order.pay_before or now > prepay.expires_at:
        raise PhoneError("requestPayment:fail 该订单已失效")
    payer = identify(world, order.appid, person.person_id).openid
    if order.openid not in (None, payer):
        raise PhoneError("requestPayment:fail 下单帐号与支付帐号不一致，请核实后再支付")
    merchant = get_merchant(world, order.mchid)
    assert merchant is not None
    return order, merchant


def pay(world: World, person: Person, ticket: str, outcome: Outcome, method: Method) -> Order:
    """Enter the password, walk away, or have the bank refuse. Raises PhoneError unless paid.

    Money, order, receipt and notification change together or not at all.
    """
    with world.store.writing():
        order, merchant = _payable(world, person, ticket)
        if outcome == "cancel":
            raise PhoneError("requestPayment:fail cancel")
        if outcome == "fail":
            raise PhoneError("requestPayment:fail 银行卡扣款失败，请更换支付方式")
        purse = bank.person(person.person_id)
        if method == "balance" and bank.balance(world.store, purse) < order.total_fen:
            raise PhoneError("requestPayment:fail 零钱余额不足")
        paid = msgspec.structs.replace(
            order,
            state="SUCCESS",
            openid=identify(world, order.appid, person.person_id).openid,
            transaction_id=_transaction_id(world),
            bank_type=BANK_TYPES[method],
            paid_at=world.at(),
        )
        world.store.run(
            """update orders set state = 'SUCCESS', openid = ?, transaction_id = ?, bank_type = ?,
                      paid_at = ?
                where mchid = ? and out_trade_no = ?""",
            paid.openid,
            paid.transaction_id,
            paid.bank_type,
            paid.paid_at,
            paid.mchid,
            paid.out_trade_no,
        )
        freezing.take_payment(world, paid, purse if method == "balance" else bank.OUTSIDE)
        app = get_app(world, paid.appid)
        receipt = {
            "amount_fen": paid.total_fen,
            "merchant_name": merchant.name,
            "description": paid.description,
            "method": method,
            "transaction_id": paid.transaction_id,
            "out_trade_no": paid.out_trade_no,
            "app_name": app.name if app else merchant.name,
        }
        leave(world, person.person_id, "pay", "receipt", receipt)
        notify.enqueue(world, merchant, paid.out_trade_no, paid.notify_url, transaction_view(paid))
    return paid


def _transaction_id(world: World) -> str:
    number = secrets.randbelow(10**10)
    return f"4200{secrets.randbelow(10**6):06d}{world.now():%Y%m%d}{number:010d}"


def look_at_transfer(
    world: World, person: Person, package: str, app: App | None = None, mchid: str | None = None
) -> TransferCard:
    """The page of confirming, if this person is the one it is for. Raises PhoneError."""
    found, card = transfers.find_card(world, package)
    agreement = authorizations.find_by_package(world, package)
    known = found or agreement
    if known is None or (app and known.appid != app.appid) or (mchid and known.mchid != mchid):
        raise PhoneError("requestMerchantTransfer:fail 参数错误")
    if known.person_id != person.person_id:
        raise PhoneError("requestMerchantTransfer:fail 你的微信号与商家指定的收款微信号不一致")
    if known.state != "WAIT_USER_CONFIRM":
        raise PhoneError("requestMerchantTransfer:fail 该单据已失效或已确认")
    if card:
        return card
    merchant = get_merchant(world, known.mchid)
    return TransferCard(
        kind="authorization",
        package=package,
        amount_fen=0,
        merchant_name=merchant.name if merchant else known.mchid,
        remark="",
        state=known.state,
    )


def answer_transfer(world: World, person: Person, package: str, *, accepts: bool) -> TransferCard:
    """Confirm or decline what a package_info asks for. Raises PhoneError."""
    with world.store.writing():
        card = look_at_transfer(world, person, package)
        found, _ = transfers.find_card(world, package)
        if found:
            transfers.answer(world, found, accepts=accepts)
        elif agreement := authorizations.find_by_package(world, package):
            authorizations.answer(world, agreement, agrees=accepts)
    return card


def share(world: World, person: Person, app: App, to: Person | None, card: dict[str, Any]) -> None:
    """Send a mini-program card to a friend, or to the group that all on the phone's page are in; it
    stands in the chats of both or of all.
    """
    payload = {
        "appid": app.appid,
        "app_name": app.name,
        "title": str(card.get("title") or app.name)[:120],
        "path": str(card.get("path") or "")[:1024],
        "image_url": card.get("imageUrl"),
        "sender_id": person.person_id,
    }
    sender = person.person_id
    others = [to] if to else [one for one in list_people(world) if one.person_id != sender]
    with world.store.writing():
        for other in others:
            leave(world, other.person_id, sender if to else GROUP, "card", payload)
        leave(world, sender, to.person_id if to else GROUP, "card", payload, mine=True)


def allow(world: World, person: Person, appid: str, scope: str) -> None:
    """Remember that a person has agreed to something in an app."""
    world.store.run("insert or ignore into grants values (?, ?, ?)", person.person_id, appid, scope)


def forget_grants(world: World, person: Person, appid: str) -> None:
    """The app has to ask again."""
    world.store.run("delete from grants where person_id = ? and appid = ?", person.person_id, appid)


def list_grants(world: World, person: Person, appid: str) -> list[str]:
    """What this person has allowed this app."""
    return [
        row.scope
        for row in world.store.all(
            _Grant,
            "select scope from grants where person_id = ? and appid = ? order by scope",
            person.person_id,
            appid,
        )
    ]


class _Grant(msgspec.Struct, frozen=True):
    scope: str
