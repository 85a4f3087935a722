"""发货信息管理: money paid in a mini-program is held until its shipping is told and it is received.

Source: mini-program docs, 小程序发货信息管理服务; what they leave open is marked [U].

Which money is held is a state of the order here; the merchant's accounts are not touched by it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, post, put, route
from litestar.exceptions import HTTPException
from msgspec import Meta

from siyu.sandbox import tasks
from siyu.sandbox.errcodes import MESSAGES
from siyu.sandbox.mini_program import AnyRequest, Refused, check_token, serve
from siyu.sandbox.orders import Order
from siyu.sandbox.registry import Body
from siyu.sandbox.world import App, World, get_person, identify

EXPRESS, LOCAL, VIRTUAL, PICKUP = 1, 2, 3, 4
UNIFIED, SPLIT = 1, 2
# After so long an order counts as received [U]; operators may change it.
CONFIRM_SECONDS = {EXPRESS: 10 * 86400, LOCAL: 10 * 86400, VIRTUAL: 2 * 86400, PICKUP: 2 * 86400}
SETTLE_SECONDS = 60
MAX_PARCELS = 15

MESSAGES.update(
    {
        10060001: "支付单不存在",
        10060002: "支付单已完成发货，无法继续发货",
        10060003: "支付单已使用重新发货机会",
        10060004: "支付单处于不可发货的状态",
        10060005: "物流类型有误",
        10060006: "非快递发货时不允许分拆发货",
        10060007: "分拆发货模式下必须填写 is_all_delivered 字段",
        10060008: "商品描述 item_desc 字段不能为空",
        10060009: "商品描述 item_desc 字段太长",
        10060014: "参数错误",
        10060023: "发货信息未更新",
        10060024: "物流信息列表太长",
        10060025: "物流公司编码太长",
        10060026: "物流单号太长",
        10060028: "支付单未完成发货",
        10060029: "快递签收时间有误",
        10060030: "确认收货提醒已使用",
        10060031: "该笔支付单不属于 openid 所指定的用户",
        10060032: "仅快递发货的支付单可提醒确认收货",
        268485194: "订单单号类型非法",
        268485195: "transaction_id 字段不能为空",
        268485196: "mchid 字段不能为空",
        268485197: "out_trade_no 字段不能为空",
        268485216: "上传时间非法，请按照 RFC 3339 格式填写",
        268485224: "发货模式非法",
        268485226: "物流单号不能为空",
        268485227: "物流公司编码不能为空",
        268485228: "统一发货模式下，物流信息列表长度必须为 1",
    }
)


class Shipping(msgspec.Struct, frozen=True, kw_only=True):
    """What was told of an order; `parcels` is JSON. `finished`: how often all of it was told."""

    transaction_id: str
    mode: int
    logistics: int
    parcels: str
    finished: int = 0
    is_all: int = 0
    uploaded_at: float
    shipped_at: float | None = None
    received_at: float | None = None
    confirmed_by: int | None = None
    settled_at: float | None = None
    reminded_at: float | None = None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _find(world: World, app: App, transaction_id: str, mchid: str, number: str) -> Order:
    """A paid order of this app. Raises Refused 10060001."""
    order = world.store.maybe(
        Order,
        """select * from orders where appid = ? and trade_type = 'JSAPI' and state = 'SUCCESS'
             and (transaction_id = ? or (mchid = ? and out_trade_no = ?))""",
        app.appid,
        transaction_id,
        mchid,
        number,
    )
    unknown = float(world.setting("trade_unknown_seconds", "0")) / world.time_factor()
    if order is None or world.at() < (order.paid_at or 0.0) + unknown:
        raise Refused(10060001)
    return order


def _find_by_key(world: World, app: App, key: object) -> Order:
    given = key if isinstance(key, dict) else {}
    match given.get("order_number_type"):
        case 1:
            if not _text(given.get("mchid")):
                raise Refused(268485196)
            if not _text(given.get("out_trade_no")):
                raise Refused(268485197)
        case 2:
            if not _text(given.get("transaction_id")):
                raise Refused(268485195)
        case _:
            raise Refused(268485194)
    if given["order_number_type"] == 1:
        return _find(world, app, "", _text(given["mchid"]), _text(given["out_trade_no"]))
    return _find(world, app, _text(given["transaction_id"]), "", "")


def _told(world: World, order: Order) -> Shipping | None:
    sql = "select * from shippings where transaction_id = ?"
    return world.store.maybe(Shipping, sql, order.transaction_id)


def _is_refunded(world: World, order: Order) -> bool:
    sql = "select sum(refund_fen) from refunds where transaction_id = ? and state = 'SUCCESS'"
    return int(world.store.value(sql, order.transaction_id) or 0) >= order.total_fen


def state_of(world: World, order: Order) -> int:
    """order_state: 1 to ship, 2 shipped, 3 received, 4 finished, 5 refunded."""
    if _is_refunded(world, order):
        return 5
    told = _told(world, order)
    if told is None or not told.finished:
        return 1
    if told.settled_at is not None:
        return 4
    return 2 if told.received_at is None else 3


# -- telling -------------------------------------------------------------------------------------


def upload(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """发货信息录入 (upload_shipping_info)."""
    order = _find_by_key(world, app, given.get("order_key"))
    payer = given.get("payer")
    if not isinstance(payer, dict) or payer.get("openid") != order.openid:
        raise Refused(10060031)
    new = _check(order, given, world.at())
    before = _told(world, order)
    world_state = state_of(world, order)
    if world_state in (3, 4, 5):
        raise Refused(10060004)
    if before is None:
        world.store.insert("shippings", new)
    else:
        _change(world, before, new)
    if new.is_all:
        due = float(world.setting("confirm_seconds", str(CONFIRM_SECONDS[new.logistics])))
        assert order.transaction_id
        tasks.plan(world, "confirm", order.transaction_id, world.at() + due / world.time_factor())
    return {"errcode": 0, "errmsg": "ok"}


def _change(world: World, before: Shipping, new: Shipping) -> None:
    same = (before.mode, before.logistics, before.is_all) == (new.mode, new.logistics, new.is_all)
    known = {_key(one): one for one in msgspec.json.decode(before.parcels)}
    asked = {_key(one): one for one in msgspec.json.decode(new.parcels)}
    if same and all(known.get(key) == one for key, one in asked.items()):
        raise Refused(10060023)
    if new.uploaded_at <= before.uploaded_at:
        raise Refused(10060014)
    if before.finished and not new.is_all:
        raise Refused(10060002)  # what exactly calls for this code is not documented [U]
    is_again = before.finished > 0 or (before.mode, before.logistics) != (new.mode, new.logistics)
    if is_again and before.finished > 1:
        raise Refused(10060003)
    # Whether a later list replaces an unfinished one or adds to it is not documented [U].
    parcels = list(asked.values()) if is_again else list((known | asked).values())
    if len(parcels) > MAX_PARCELS:
        raise Refused(10060024)
    world.store.run(
        """update shippings set mode = ?, logistics = ?, parcels = ?, finished = ?, is_all = ?,
             uploaded_at = ?, shipped_at = coalesce(shipped_at, ?) where transaction_id = ?""",
        new.mode,
        new.logistics,
        msgspec.json.encode(parcels).decode(),
        before.finished + new.is_all,
        new.is_all,
        new.uploaded_at,
        new.shipped_at,
        before.transaction_id,
    )


def _key(parcel: dict[str, str]) -> tuple[str, str]:
    return parcel["tracking_no"], parcel["express_company"]


def _check(order: Order, given: dict[str, Any], now: float) -> Shipping:
    """The fields of an upload, each with its own refusal."""
    logistics, mode = given.get("logistics_type"), given.get("delivery_mode")
    if logistics not in CONFIRM_SECONDS or logistics is True:
        raise Refused(10060005)
    if mode not in (UNIFIED, SPLIT) or mode is True:
        raise Refused(268485224)
    if mode == SPLIT and logistics != EXPRESS:
        raise Refused(10060006)
    is_all = given.get("is_all_delivered")
    if mode == SPLIT and not isinstance(is_all, bool):
        raise Refused(10060007)
    listed = given.get("shipping_list")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Refused(10060014)
    if mode == UNIFIED and len(listed) != 1:
        raise Refused(268485228)
    if not listed:
        raise Refused(10060014)
    if len(listed) > MAX_PARCELS:
        raise Refused(10060024)
    uploaded_at = _moment(given.get("upload_time"))
    done = mode == UNIFIED or bool(is_all)
    assert order.transaction_id
    return Shipping(
        transaction_id=order.transaction_id,
        mode=mode,
        logistics=logistics,
        parcels=msgspec.json.encode([_entry(one, logistics) for one in listed]).decode(),
        finished=int(done),
        is_all=int(done),
        uploaded_at=uploaded_at,
        shipped_at=now if done else None,
    )


def _entry(given: dict[str, Any], logistics: int) -> dict[str, str]:
    desc = _text(given.get("item_desc"))
    if not desc:
        raise Refused(10060008)
    if len(desc) > 120:
        raise Refused(10060009)
    number, company = _text(given.get("tracking_no")), _text(given.get("express_company"))
    contact = given.get("contact")
    contact = contact if isinstance(contact, dict) else {}
    seen = _text(contact.get("receiver_contact")) or _text(contact.get("consignor_contact"))
    if logistics == EXPRESS:
        if not number:
            raise Refused(268485226)
        if not company:
            raise Refused(268485227)
        if len(number) > 128:
            raise Refused(10060026)
        if len(company) > 128:
            raise Refused(10060025)
        if company == "SF" and not (len(seen) >= 4 and seen[-4:].isdigit() and "*" in seen):
            raise Refused(10060014)
    return {"tracking_no": number, "express_company": company, "goods_desc": desc}


def _moment(given: object) -> float:
    try:
        moment = datetime.fromisoformat(_text(given))
    except ValueError:
        raise Refused(268485216) from None
    if moment.tzinfo is None:
        raise Refused(268485216)
    return moment.timestamp()


# -- asking --------------------------------------------------------------------------------------


def _view(world: World, order: Order) -> dict[str, Any]:
    told = _told(world, order)
    view: dict[str, Any] = {
        "transaction_id": order.transaction_id,
        "merchant_id": order.mchid,
        "merchant_trade_no": order.out_trade_no,
        "description": order.description,
        "paid_amount": order.total_fen,
        "openid": order.openid,
        "trade_create_time": int(order.created_at),
        "pay_time": int(order.paid_at or 0),
        "order_state": state_of(world, order),
        "in_complaint": False,
    }
    if told is not None:
        parcels = msgspec.json.decode(told.parcels)
        view["shipping"] = {
            "delivery_mode": told.mode,
            "logistics_type": told.logistics,
            "finish_shipping": told.finished > 0,
            "finish_shipping_count": told.finished,
            "goods_desc": parcels[0]["goods_desc"],
            "shipping_list": [one | {"upload_time": int(told.uploaded_at)} for one in parcels],
        }
    return view


def get_order(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """查询订单发货状态 (get_order)."""
    numbers = [_text(given.get(k)) for k in ("transaction_id", "merchant_id", "merchant_trade_no")]
    if not numbers[0] and not (numbers[1] and numbers[2]):
        raise Refused(10060014)
    order = _find(world, app, *numbers)
    return {"errcode": 0, "errmsg": "ok", "order": _view(world, order)}


def list_orders(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """查询订单列表 (get_order_list), oldest payment first."""
    paid = given.get("pay_time_range")
    paid = paid if isinstance(paid, dict) else {}
    size = given.get("page_size", 100)
    after = _text(given.get("last_index"))
    if type(size) is not int or not 1 <= size <= 100 or not (after or "0").isdigit():
        raise Refused(10060014)
    begin, end = paid.get("begin_time", 0), paid.get("end_time", 2**32 - 1)
    found = world.store.all(
        Order,
        """select * from orders where appid = ? and trade_type = 'JSAPI' and state = 'SUCCESS'
             and cast(paid_at as int) between ? and ? and (? is null or openid = ?)
           order by paid_at, transaction_id""",
        app.appid,
        begin,
        end,
        given.get("openid"),
        given.get("openid"),
    )
    wanted = given.get("order_state")
    fitting = [one for one in found if wanted in (None, state_of(world, one))]
    start = int(after or 0)
    page = fitting[start : start + size]
    return {
        "errcode": 0,
        "errmsg": "ok",
        "last_index": str(start + len(page)),
        "has_more": start + len(page) < len(fitting),
        "order_list": [_view(world, one) for one in page],
    }


def remind(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """确认收货提醒 (notify_confirm_receive): once, of an order that was sent by express."""
    numbers = [_text(given.get(k)) for k in ("transaction_id", "merchant_id", "merchant_trade_no")]
    order = _find(world, app, *numbers)
    told = _told(world, order)
    if told is None or not told.finished:
        raise Refused(10060028)
    if told.logistics != EXPRESS:
        raise Refused(10060032)
    received = given.get("received_time")
    if type(received) is not int or received > world.at() + 60:
        raise Refused(10060029)
    if told.reminded_at is not None:
        raise Refused(10060030)
    world.store.run(
        "update shippings set reminded_at = ? where transaction_id = ?",
        world.at(),
        told.transaction_id,
    )
    return {"errcode": 0, "errmsg": "ok"}


def is_managed(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """查询小程序是否已开通发货信息管理服务."""
    if given.get("appid") != app.appid:
        raise Refused(40013)
    managed = world.setting(f"managed:{app.appid}", "1") == "1"
    return {"errcode": 0, "errmsg": "ok", "is_trade_managed": managed}


def set_path(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """消息跳转路径设置 (set_msg_jump_path)."""
    path = _text(given.get("path"))
    if not path:
        raise Refused(10060014)
    world.set_setting(f"message_path:{app.appid}", path)
    return {"errcode": 0, "errmsg": "ok"}


# -- what happens later --------------------------------------------------------------------------


def _receive(world: World, transaction_id: str, by: int, at: float) -> bool:
    done = world.store.run(
        """update shippings set received_at = ?, confirmed_by = ?
            where transaction_id = ? and finished > 0 and received_at is null""",
        at,
        by,
        transaction_id,
    )
    if done:
        tasks.plan(world, "settle", transaction_id, at + SETTLE_SECONDS / world.time_factor())
    return bool(done)


@tasks.handles("confirm")
def confirm_by_time(world: World, task: tasks.Task) -> None:
    """Nobody confirmed in time."""
    _receive(world, task.number, 2, task.due_at)


@tasks.handles("settle")
def settle(world: World, task: tasks.Task) -> None:
    """The merchant may have the money."""
    world.store.run(
        "update shippings set settled_at = ? where transaction_id = ?", task.due_at, task.number
    )


# -- routes --------------------------------------------------------------------------------------

_Work = Callable[[World, App, dict[str, Any]], dict[str, Any]]
_PATHS: dict[str, tuple[str, _Work]] = {
    "upload_shipping_info": ("shipping.upload", upload),
    "get_order": ("shipping.query", get_order),
    "get_order_list": ("shipping.query", list_orders),
    "notify_confirm_receive": ("shipping.remind", remind),
    "is_trade_managed": ("shipping.query", is_managed),
    "set_msg_jump_path": ("shipping.path", set_path),
}


@route("/wxa/sec/order/{name:str}", http_method=["GET", "POST"], status_code=200)
async def any_shipping(request: AnyRequest, world: World, name: str) -> Response[bytes]:
    """小程序发货信息管理服务."""
    if name not in _PATHS:
        raise HTTPException("no such API", status_code=404)
    operation, work = _PATHS[name]
    tasks.run_due(world)
    return await serve(
        world, request, operation, lambda given: work(world, check_token(world, request), given)
    )


class ReceiptBody(Body, frozen=True, kw_only=True):
    """Which order."""

    transaction_id: Annotated[str, Meta(max_length=64)]


@post("/people/{person_id:str}/confirm-receipt", status_code=204)
async def post_receipt(world: World, person_id: str, data: ReceiptBody) -> None:
    """What the phone does when the buyer confirms in WeChat."""
    tasks.run_due(world)
    person = get_person(world, person_id)
    order = world.store.maybe(
        Order, "select * from orders where transaction_id = ?", data.transaction_id
    )
    if person is None or order is None:
        raise HTTPException("no such order", status_code=404)
    with world.store.writing():
        own = identify(world, order.appid, person.person_id).openid == order.openid
        if not own or not _receive(world, data.transaction_id, 1, world.at()):
            raise HTTPException("nothing to confirm", status_code=409)
    world.due.set()


class ManagedBody(Body, frozen=True, kw_only=True):
    """Whether the app's trades are managed."""

    managed: bool


@put("/apps/{appid:str}/managed", status_code=204)
async def put_managed(world: World, appid: str, data: ManagedBody) -> None:
    """Take an app into the management of shipping, or out of it."""
    world.set_setting(f"managed:{appid}", str(int(data.managed)))


routes = [any_shipping]
control_routes = [post_receipt, put_managed]
