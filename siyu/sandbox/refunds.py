"""Refunds: accepted at once, carried out later, told to the merchant and the person.

The money leaves the merchant when the refund is accepted (frozen money first, then available) and
arrives when it succeeds; WeChat gives back its fee in proportion. Source: pay-v3, 退款.
"""

import secrets
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from siyu.sandbox import bank, faults, freezing, notify, tasks, wire
from siyu.sandbox.chats import leave
from siyu.sandbox.orders import Order, PayError, find_order, find_paid, parse_body
from siyu.sandbox.world import Merchant, World, get_app, get_merchant

MOST_REFUNDS = 50
LATEST_SECONDS = 365 * 86400


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as it is kept. fee_fen and frozen_fen: the parts of it that came from WeChat's fee
    and from frozen money."""

    refund_id: str
    mchid: str
    out_refund_no: str
    out_trade_no: str
    transaction_id: str
    state: str
    body: str
    notify_url: str
    reason: str
    total_fen: int
    refund_fen: int
    fee_fen: int
    frozen_fen: int
    to_card: int
    created_at: float
    ended_at: float | None


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class From(_Body, frozen=True, kw_only=True):
    """From which of the merchant's accounts how much is taken."""

    account: Literal["AVAILABLE", "UNAVAILABLE"]
    amount: Annotated[int, Meta(ge=1)]


class RefundAmount(_Body, frozen=True, kw_only=True):
    """In fen."""

    refund: Annotated[int, Meta(ge=1)]
    total: Annotated[int, Meta(ge=1)]
    currency: Annotated[str, Meta(pattern="^CNY$")]
    from_: list[From] | None = msgspec.field(name="from", default=None)


class RefundedGoods(_Body, frozen=True, kw_only=True):
    """One line of goods; prices in fen."""

    merchant_goods_id: Annotated[str, Meta(min_length=1, max_length=32)]
    unit_price: Annotated[int, Meta(ge=0)]
    refund_amount: Annotated[int, Meta(ge=0)]
    refund_quantity: Annotated[int, Meta(ge=1)]
    wechatpay_goods_id: Annotated[str, Meta(max_length=32)] | None = None
    goods_name: Annotated[str, Meta(max_length=256)] | None = None


class RefundBody(_Body, frozen=True, kw_only=True):
    """Fields and limits of 申请退款."""

    out_refund_no: Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}$")]
    amount: RefundAmount
    transaction_id: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    out_trade_no: Annotated[str, Meta(min_length=6, max_length=32)] | None = None
    reason: Annotated[str, Meta(max_length=80)] | None = None
    notify_url: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    funds_account: Literal["AVAILABLE", "UNSETTLED"] | None = None
    goods_detail: Annotated[list[RefundedGoods], Meta(min_length=1)] | None = None


class AbnormalBody(_Body, frozen=True, kw_only=True):
    """发起异常退款; the sensitive fields are encrypted."""

    out_refund_no: Annotated[str, Meta(min_length=1, max_length=64)]
    type: Literal["USER_BANK_CARD", "MERCHANT_BANK_CARD"]
    bank_type: Annotated[str, Meta(max_length=16)] | None = None
    bank_account: Annotated[str, Meta(max_length=1024)] | None = None
    real_name: Annotated[str, Meta(max_length=1024)] | None = None


def create_refund(world: World, merchant: Merchant, raw: bytes) -> tuple[int, dict[str, Any]]:
    """申请退款; the same number with the same parameters finds the refund again, and tries a
    closed one anew."""
    body: RefundBody = parse_body(raw, RefundBody)
    canonical = wire.canonical_json(raw)
    if (body.transaction_id is None) == (body.out_trade_no is None):
        raise _wrong("PARAM_ERROR", "transaction_id和out_trade_no必须二选一")
    known = find_refund(world, merchant.mchid, body.out_refund_no)
    if known and known.body != canonical:
        raise _wrong("INVALID_REQUEST", "订单号重复，且请求参数与首次请求时不一致", 268498688)
    if known and known.state != "CLOSED":
        return 200, refund_view(known)
    order = (
        find_paid(world, merchant.mchid, body.transaction_id)
        if body.transaction_id
        else find_order(world, merchant.mchid, body.out_trade_no or "")
    )
    if order is None:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "订单不存在", 268512771)
    _check(world, order, body)
    if known:
        world.store.run("delete from refunds where refund_id = ?", known.refund_id)
    refund = _take_money(world, order, body, canonical, known.refund_id if known else None)
    world.store.insert("refunds", refund)
    tasks.soon(world, "refund", refund.refund_id, "refund_seconds", refund.created_at)
    return 200, refund_view(refund)


def _wrong(code: str, message: str, number: int = 268435461) -> PayError:
    return PayError(400, code, message, number)


def refunded_fen(world: World, transaction_id: str | None) -> int:
    """What has been, or is being, refunded of a payment."""
    found = world.store.value(
        "select sum(refund_fen) from refunds where transaction_id = ? and state <> 'CLOSED'",
        transaction_id,
    )
    return int(found or 0)


def _check(world: World, order: Order, body: RefundBody) -> None:
    if order.paid_at is None:
        raise _wrong("INVALID_REQUEST", "订单未支付，不能退款")
    if body.amount.total != order.total_fen:
        raise _wrong("INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试")
    parts = body.amount.from_
    if parts and sum(part.amount for part in parts) != body.amount.refund:
        raise _wrong("PARAM_ERROR", "出资金额之和与退款金额不一致")
    if refunded_fen(world, order.transaction_id) + body.amount.refund > order.total_fen:
        raise _wrong("INVALID_REQUEST", "订单已全额退款，或退款金额大于可退金额")
    if world.at() > order.paid_at + LATEST_SECONDS:
        raise _wrong("INVALID_REQUEST", "订单已超过退款期限（一年）")
    count = world.store.value(
        "select count(*) from refunds where transaction_id = ? and state <> 'CLOSED'",
        order.transaction_id,
    )
    if count >= MOST_REFUNDS:
        raise _wrong("INVALID_REQUEST", "订单部分退款次数已达上限（50次）")


def _take_money(
    world: World, order: Order, body: RefundBody, canonical: str, refund_id: str | None
) -> Refund:
    assert order.transaction_id
    store, now, mchid = world.store, world.at(), order.mchid
    amount = body.amount.refund
    fee = fee_of_payment(world, order.transaction_id)
    given = store.value(
        """select coalesce(sum(fee_fen), 0) from refunds
            where transaction_id = ? and state <> 'CLOSED'""",
        order.transaction_id,
    )
    before = refunded_fen(world, order.transaction_id)
    fee_part = bank.fee_back(fee, order.total_fen, before + amount, int(given))
    net = amount - fee_part
    from_frozen = freezing.take_for_refund(world, order.transaction_id, net)
    if bank.balance(store, bank.basic(mchid)) < net - from_frozen:
        raise PayError(403, "NOT_ENOUGH", "基本账户余额不足，请充值后重新发起", 268435461)
    refund = Refund(
        refund_id=refund_id
        or f"5030{secrets.randbelow(10**4):04d}{world.now():%Y%m%d}"
        f"{secrets.randbelow(10**12):012d}",
        mchid=mchid,
        out_refund_no=body.out_refund_no,
        out_trade_no=order.out_trade_no,
        transaction_id=order.transaction_id,
        state="PROCESSING",
        body=canonical,
        notify_url=body.notify_url or "",
        reason=body.reason or "",
        total_fen=order.total_fen,
        refund_fen=amount,
        fee_fen=fee_part,
        frozen_fen=from_frozen,
        to_card=0,
        created_at=now,
        ended_at=None,
    )
    _move_parts(world, refund, back=False, at=now)
    return refund


def _move_parts(world: World, refund: Refund, *, back: bool, at: float) -> None:
    """What makes up a refund goes on its way, or back to where it came from."""
    mchid, away = refund.mchid, bank.refunds(refund.mchid)
    net = refund.refund_fen - refund.fee_fen - refund.frozen_fen
    home = bank.frozen(mchid)
    if back and not freezing.give_back(world, refund.transaction_id, refund.frozen_fen):
        home = bank.basic(mchid)
    for account, fen in ((home, refund.frozen_fen), (bank.basic(mchid), net)):
        _move(world, refund, "refund", account, away, fen, back=back, at=at)
    _move(world, refund, "fee_back", bank.FEES, away, refund.fee_fen, back=back, at=at)


def _move(
    world: World,
    refund: Refund,
    kind: str,
    source: str,
    target: str,
    fen: int,
    *,
    back: bool = False,
    at: float,
) -> None:
    if back:
        kind, source, target = f"{kind}_closed", target, source
    bank.move(
        world.store,
        kind,
        source,
        target,
        fen,
        at=at,
        mchid=refund.mchid,
        number=refund.out_refund_no,
        wechat_no=refund.refund_id,
        note=f"退款总金额{wire.yuan(refund.refund_fen)}元;含手续费{wire.yuan(refund.fee_fen)}元",
    )


def fee_of_payment(world: World, transaction_id: str) -> int:
    """The fee that WeChat took of a payment."""
    found = world.store.value(
        "select sum(fen) from movements where wechat_no = ? and kind = 'fee'", transaction_id
    )
    return int(found or 0)


def find_refund(world: World, mchid: str, out_refund_no: str) -> Refund | None:
    """The refund of the merchant's number."""
    return world.store.maybe(
        Refund,
        "select * from refunds where mchid = ? and out_refund_no = ?",
        mchid,
        out_refund_no,
    )


def query_refund(world: World, merchant: Merchant, out_refund_no: str) -> tuple[int, Any]:
    """查询单笔退款."""
    refund = find_refund(world, merchant.mchid, out_refund_no)
    if refund is None:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "退款单不存在", 268512771)
    return 200, refund_view(refund)


@tasks.handles("refund")
def finish_refund(world: World, task: tasks.Task) -> None:
    """The bank answers: arrived, closed, or abnormal."""
    refund = world.store.maybe(Refund, "select * from refunds where refund_id = ?", task.number)
    if refund is None or refund.state != "PROCESSING":
        return
    state = "SUCCESS"
    if not refund.to_card and faults.outcome(world, "refund_abnormal", refund.mchid):
        state = "ABNORMAL"
    elif not refund.to_card and faults.outcome(world, "refund_closed", refund.mchid):
        state = "CLOSED"
    order = find_order(world, refund.mchid, refund.out_trade_no)
    assert order is not None
    if state == "SUCCESS":
        home = bank.OUTSIDE if refund.to_card else freezing.purse_of(world, order)
        away = bank.refunds(refund.mchid)
        _move(world, refund, "refund_paid", away, home, refund.refund_fen, at=task.due_at)
    elif state == "CLOSED":
        _move_parts(world, refund, back=True, at=task.due_at)
    ended = msgspec.structs.replace(refund, state=state, ended_at=task.due_at)
    world.store.run(
        "update refunds set state = ?, ended_at = ? where refund_id = ?",
        state,
        task.due_at,
        refund.refund_id,
    )
    _tell(world, ended, order)


def _tell(world: World, refund: Refund, order: Order) -> None:
    merchant = get_merchant(world, refund.mchid)
    assert merchant is not None
    if refund.notify_url:
        view = refund_view(refund)
        told = {"mchid": refund.mchid, "refund_status": view.pop("status")}
        told |= {name: view[name] for name in _TOLD if name in view}
        told["amount"] = {
            name: view["amount"][name]
            for name in ("total", "refund", "payer_total", "payer_refund")
        }
        event = f"REFUND.{refund.state}"
        summary = {"SUCCESS": "退款成功", "CLOSED": "退款关闭", "ABNORMAL": "退款异常"}[
            refund.state
        ]
        notify.enqueue(
            world, merchant, refund.out_refund_no, refund.notify_url, told, event, summary
        )
    person_id = world.store.value("select person_id from identities where openid = ?", order.openid)
    if refund.state == "SUCCESS" and person_id and not refund.to_card:
        app = get_app(world, order.appid)
        notice = {
            "amount_fen": refund.refund_fen,
            "merchant_name": merchant.name,
            "description": order.description,
            "reason": refund.reason,
            "method": "balance" if order.bank_type == "OTHERS" else "card",
            "out_trade_no": order.out_trade_no,
            "app_name": app.name if app else merchant.name,
        }
        leave(world, str(person_id), "pay", "refund", notice)


_TOLD = (
    "transaction_id", "out_trade_no", "refund_id", "out_refund_no", "success_time",
    "user_received_account",
)  # fmt: skip


def apply_abnormal(
    world: World, merchant: Merchant, refund_id: str, raw: bytes, reveal: wire.Reveal
) -> tuple[int, Any]:
    """发起异常退款: to a bank card of the person, or of the merchant."""
    body: AbnormalBody = parse_body(raw, AbnormalBody)
    refund = find_refund(world, merchant.mchid, body.out_refund_no)
    if refund is None or refund.refund_id != refund_id:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "退款单不存在", 268512771)
    if body.type == "USER_BANK_CARD":
        if not (body.bank_type and body.bank_account and body.real_name):
            raise _wrong("PARAM_ERROR", "退款到用户银行卡须传入bank_type、bank_account和real_name")
        for hidden in (body.bank_account, body.real_name):
            reveal(hidden)
    if refund.state == "ABNORMAL":
        refund = msgspec.structs.replace(refund, state="PROCESSING", to_card=1)
        world.store.run(
            "update refunds set state = 'PROCESSING', to_card = 1 where refund_id = ?", refund_id
        )
        tasks.soon(world, "refund", refund_id, "refund_seconds", world.at())
    elif not refund.to_card:
        raise _wrong("INVALID_REQUEST", "退款单状态不是退款异常，不能发起异常退款")
    return 200, refund_view(refund)


def refund_view(refund: Refund) -> dict[str, Any]:
    """What an answer says of a refund."""
    view: dict[str, Any] = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "channel": "OTHER_BANKCARD" if refund.to_card else "ORIGINAL",
        "user_received_account": "招商银行借记卡8888",
        "create_time": wire.moment(refund.created_at),
        "status": refund.state,
        "funds_account": "UNSETTLED" if refund.frozen_fen else "AVAILABLE",
        "amount": {
            "total": refund.total_fen,
            "refund": refund.refund_fen,
            "from": [],
            "payer_total": refund.total_fen,
            "payer_refund": refund.refund_fen,
            "settlement_refund": refund.refund_fen,
            "settlement_total": refund.total_fen,
            "discount_refund": 0,
            "currency": "CNY",
            "refund_fee": refund.fee_fen,
        },
        "promotion_detail": [],
    }
    if refund.state == "SUCCESS" and refund.ended_at is not None:
        view["success_time"] = wire.moment(refund.ended_at)
    return view
