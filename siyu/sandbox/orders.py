"""Orders of WeChat Pay: fields, the rules of `out_trade_no`, states, what is told of them.

Source: pay.weixin.qq.com/doc/v3/merchant/4012525167 and siblings; the rules of a repeated number
and the internal numbers in Request-ID follow the official troubleshooting handbook.
"""

import json
import re
import secrets
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from siyu.sandbox import wire
from siyu.sandbox.world import Merchant, World, get_app, list_signers

PREPAY_SECONDS = 2 * 3600
AUTO_CLOSE_SECONDS = 7 * 86400


class PayError(Exception):
    """A refusal as API v3 words it; `number` is the internal one at the end of Request-ID."""

    def __init__(
        self, status: int, code: str, message: str, number: int, detail: Any = None
    ) -> None:
        super().__init__(code, message)
        self.status, self.code, self.message = status, code, message
        self.number, self.detail = number, detail


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it is kept; money in fen, moments in seconds since 1970."""

    mchid: str
    out_trade_no: str
    appid: str
    trade_type: str
    state: str
    body: str
    description: str
    attach: str | None
    notify_url: str
    total_fen: int
    openid: str | None
    created_at: float
    pay_before: float
    transaction_id: str | None = None
    bank_type: str | None = None
    paid_at: float | None = None


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Amount(_Body, frozen=True, kw_only=True):
    """In fen."""

    total: Annotated[int, Meta(ge=1)]
    currency: Annotated[str, Meta(pattern="^CNY$")] = "CNY"


class Payer(_Body, frozen=True, kw_only=True):
    """Who pays."""

    openid: Annotated[str, Meta(min_length=1, max_length=128)]


class GoodsDetail(_Body, frozen=True, kw_only=True):
    """One line of goods; prices in fen."""

    merchant_goods_id: Annotated[str, Meta(min_length=1, max_length=32)]
    quantity: Annotated[int, Meta(ge=1)]
    unit_price: Annotated[int, Meta(ge=0)]
    wechatpay_goods_id: Annotated[str, Meta(max_length=32)] | None = None
    goods_name: Annotated[str, Meta(max_length=256)] | None = None


class Detail(_Body, frozen=True, kw_only=True):
    """单品信息."""

    cost_price: Annotated[int, Meta(ge=0)] | None = None
    invoice_id: Annotated[str, Meta(max_length=32)] | None = None
    goods_detail: Annotated[list[GoodsDetail], Meta(min_length=1)] | None = None


class StoreInfo(_Body, frozen=True, kw_only=True):
    """The store."""

    id: Annotated[str, Meta(min_length=1, max_length=32)]
    name: Annotated[str, Meta(max_length=256)] | None = None
    area_code: Annotated[str, Meta(max_length=32)] | None = None
    address: Annotated[str, Meta(max_length=512)] | None = None


class SceneInfo(_Body, frozen=True, kw_only=True):
    """Where the payment is made."""

    payer_client_ip: Annotated[str, Meta(min_length=1, max_length=45)]
    device_id: Annotated[str, Meta(max_length=32)] | None = None
    store_info: StoreInfo | None = None


class SettleInfo(_Body, frozen=True, kw_only=True):
    """Whether money is frozen for profit sharing."""

    profit_sharing: bool = False


class NativeBody(_Body, frozen=True, kw_only=True):
    """Fields and limits of 下单; text limits count characters."""

    appid: Annotated[str, Meta(min_length=1, max_length=32)]
    mchid: Annotated[str, Meta(min_length=1, max_length=32)]
    description: Annotated[str, Meta(min_length=1, max_length=127)]
    out_trade_no: Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*]{6,32}$")]
    notify_url: Annotated[str, Meta(min_length=1, max_length=255)]
    amount: Amount
    time_expire: Annotated[datetime, Meta(tz=True)] | None = None
    attach: Annotated[str, Meta(max_length=128)] | None = None
    goods_tag: Annotated[str, Meta(max_length=32)] | None = None
    support_fapiao: bool | None = None
    limit_pay: list[str] | None = None
    detail: Detail | None = None
    scene_info: SceneInfo | None = None
    settle_info: SettleInfo | None = None


class JsapiBody(NativeBody, frozen=True, kw_only=True):
    """JSAPI and mini-program orders also name the payer."""

    payer: Payer


class CloseBody(_Body, frozen=True, kw_only=True):
    """关闭订单."""

    mchid: Annotated[str, Meta(min_length=1, max_length=32)]


def parse_body(raw: bytes, shape: type[msgspec.Struct]) -> Any:
    """The body as `shape`; anything wrong becomes PARAM_ERROR naming the field."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as wrong:
        issue, _, path = str(wrong).partition(" - at `$")
        field = path.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "")
        if extra := re.search(r"unknown field `(.+?)`", issue):
            field = f"{field}/{extra[1]}"
            raise PayError(
                400, "PARAM_ERROR", "参数中含有非法的额外参数", 270924358, _detail(field, issue)
            ) from None
        if missing := re.search(r"missing required field `(.+?)`", issue):
            field = f"{field}/{missing[1]}"
        raise PayError(
            400,
            "PARAM_ERROR",
            f"参数错误：{field or '/'} {issue}",
            268435461,
            _detail(field, issue),
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise PayError(400, "PARAM_ERROR", "请求体不是合法的JSON", 268435461) from None


def _detail(field: str, issue: str) -> dict[str, str]:
    return {"field": field, "issue": issue, "location": "body"}


def create_order(
    world: World, merchant: Merchant, trade_type: str, raw: bytes
) -> tuple[int, dict[str, str]]:
    """下单, with the rules of a repeated out_trade_no. Returns the prepay_id or code_url."""
    body: NativeBody = parse_body(raw, JsapiBody if trade_type == "JSAPI" else NativeBody)
    canonical = wire.canonical_json(raw)
    now = world.at()
    if body.mchid != merchant.mchid:
        raise PayError(400, "PARAM_ERROR", "请求中的商户号与请求头不一致", 268435461)
    app = get_app(world, body.appid)
    if app is None or app.mchid != merchant.mchid:
        raise PayError(400, "APPID_MCHID_NOT_MATCH", "appid和mchid不匹配", 268445527)
    if not re.match(r"^https?://[^/?#\s]+(/[^?#\s]*)?$", body.notify_url):
        raise PayError(
            400,
            "PARAM_ERROR",
            "notify_url须为完整地址且不带参数",
            268435461,
            {"field": "/notify_url", "value": body.notify_url, "location": "body"},
        )
    openid = body.payer.openid if isinstance(body, JsapiBody) else None
    if openid:
        _check_payer(world, body.appid, openid)
    order = find_order(world, merchant.mchid, body.out_trade_no)
    if order is None:
        order = Order(
            mchid=body.mchid, out_trade_no=body.out_trade_no, appid=body.appid,
            trade_type=trade_type, state="NOTPAY", body=canonical, description=body.description,
            attach=body.attach, notify_url=body.notify_url, total_fen=body.amount.total,
            openid=openid, created_at=now, pay_before=_pay_before(now, body.time_expire),
        )  # fmt: skip
        world.store.insert("orders", order)
    else:
        _check_repeat(order, trade_type, canonical, now)
    return 200, _issue_ticket(world, order, now)


def _check_payer(world: World, appid: str, openid: str) -> None:
    owner = world.store.value("select appid from identities where openid = ?", openid)
    if owner is None:
        detail = {"field": "/payer/openid", "value": openid, "location": "body"}
        raise PayError(400, "PARAM_ERROR", "无效的openid", 268435461, detail)
    if owner != appid:
        raise PayError(500, "OPENID_MISMATCH", "openid和appid不匹配", 268435461)


def _check_repeat(order: Order, trade_type: str, canonical: str, now: float) -> None:
    if order.state == "SUCCESS":
        raise PayError(400, "ORDER_PAID", "该订单已支付", 268498689)
    if order.state == "CLOSED" or now > order.pay_before:
        raise PayError(400, "ORDER_CLOSED", "该订单已失效，请更换商户订单号重新下单", 268447914)
    if (order.trade_type, order.body) != (trade_type, canonical):
        raise PayError(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致", 268498688)


def _pay_before(now: float, time_expire: datetime | None) -> float:
    if time_expire is None:
        return now + AUTO_CLOSE_SECONDS
    return min(max(time_expire.timestamp(), now + 60), now + 90 * 86400)


def _issue_ticket(world: World, order: Order, now: float) -> dict[str, str]:
    if order.trade_type == "NATIVE":
        world.store.run(
            "delete from prepays where mchid = ? and out_trade_no = ?",
            order.mchid,
            order.out_trade_no,
        )
        name, ticket = (
            "code_url",
            f"weixin://wxpay/bizpayurl/up?pr={secrets.token_urlsafe(8)[:9]}zz",
        )
    else:
        stamp = datetime.fromtimestamp(now, wire.CHINA).strftime("%d%H%M%S%f")
        name, ticket = "prepay_id", f"wx{stamp}{secrets.token_hex(8)}0000"
    world.store.run(
        "insert into prepays values (?, ?, ?, ?)",
        ticket,
        order.mchid,
        order.out_trade_no,
        now + PREPAY_SECONDS,
    )
    return {name: ticket}


def is_shared(order: Order) -> bool:
    """Whether the money was to be frozen for splitting."""
    settle = json.loads(order.body).get("settle_info") or {}
    return bool(settle.get("profit_sharing"))


def find_paid(world: World, mchid: str, transaction_id: str) -> Order | None:
    """The paid order of WeChat's number."""
    return world.store.maybe(
        Order,
        "select * from orders where mchid = ? and transaction_id = ?",
        mchid,
        transaction_id,
    )


def find_order(world: World, mchid: str, out_trade_no: str) -> Order | None:
    """The order as it stands now: unpaid ones close themselves after seven days."""
    order = world.store.maybe(
        Order, "select * from orders where mchid = ? and out_trade_no = ?", mchid, out_trade_no
    )
    if order and order.state == "NOTPAY":
        closes_at = max(order.created_at + AUTO_CLOSE_SECONDS, order.pay_before)
        if world.at() > closes_at:
            world.store.run(
                "update orders set state = 'CLOSED' where mchid = ? and out_trade_no = ?",
                mchid,
                out_trade_no,
            )
            return msgspec.structs.replace(order, state="CLOSED")
    return order


STATE_WORDS = {"SUCCESS": "支付成功", "NOTPAY": "订单未支付", "CLOSED": "订单已关闭"}


def transaction_view(order: Order) -> dict[str, Any]:
    """What query and notification say of an order; unpaid ones lack what payment adds."""
    view: dict[str, Any] = {
        "appid": order.appid,
        "mchid": order.mchid,
        "out_trade_no": order.out_trade_no,
        "trade_state": order.state,
        "trade_state_desc": STATE_WORDS[order.state],
        "amount": {"total": order.total_fen, "currency": "CNY"},
        "promotion_detail": [],
    }
    if order.paid_at is not None:
        view |= {
            "transaction_id": order.transaction_id,
            "trade_type": order.trade_type,
            "bank_type": order.bank_type,
            "attach": order.attach or "",
            "success_time": wire.wechat_time(datetime.fromtimestamp(order.paid_at, wire.CHINA)),
            "payer": {"openid": order.openid},
            "amount": {
                "total": order.total_fen,
                "payer_total": order.total_fen,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
        }
    return view


def tampered(view: dict[str, Any], fen: int) -> dict[str, Any]:
    """The same payment, refund, split or transfer with other amounts."""
    return {
        name: tampered(value, fen)
        if isinstance(value, dict)
        else [tampered(one, fen) for one in value if isinstance(one, dict)]
        if isinstance(value, list)
        else value + fen
        if name in _AMOUNTS and isinstance(value, int)
        else value
        for name, value in view.items()
    }


_AMOUNTS = frozenset(
    ["total", "payer_total", "refund", "payer_refund", "amount", "transfer_amount"]
)


def query_order(
    world: World, merchant: Merchant, mchid: str | None, order: Order | None
) -> tuple[int, dict[str, Any]]:
    """查询订单: only the merchant's own, and only with the mchid in the query."""
    if mchid is None:
        detail = {"field": "mchid", "issue": "必填", "location": "query"}
        raise PayError(400, "PARAM_ERROR", "缺少参数mchid", 268435461, detail)
    if mchid != merchant.mchid:
        raise PayError(400, "PARAM_ERROR", "请求中的商户号与请求头不一致", 268435461)
    if order is None:
        raise PayError(404, "ORDER_NOT_EXIST", "订单不存在", 268512771)
    view = transaction_view(order)
    if world.store.value(
        "select 1 from refunds where transaction_id = ? limit 1", order.transaction_id
    ):
        view |= {"trade_state": "REFUND", "trade_state_desc": "订单发生过退款"}
    return 200, view


def close_order(
    world: World, merchant: Merchant, out_trade_no: str, raw: bytes
) -> tuple[int, None]:
    """关闭订单: harmless when repeated, refused when paid."""
    body: CloseBody = parse_body(raw, CloseBody)
    if body.mchid != merchant.mchid:
        raise PayError(400, "PARAM_ERROR", "请求中的商户号与请求头不一致", 268435461)
    order = find_order(world, merchant.mchid, out_trade_no)
    if order is None:
        raise PayError(404, "ORDER_NOT_EXIST", "订单不存在", 268512771)
    if order.state == "SUCCESS":
        raise PayError(400, "ORDER_PAID", "该订单已支付，不能关闭", 268449538)
    world.store.run(
        "update orders set state = 'CLOSED' where mchid = ? and out_trade_no = ?",
        merchant.mchid,
        out_trade_no,
    )
    return 204, None


def list_certificates(world: World, merchant: Merchant) -> tuple[int, dict[str, Any]]:
    """获取平台证书列表; merchants with only a public key have none."""
    if merchant.signing == "public_key":
        raise PayError(
            404,
            "RESOURCE_NOT_EXISTS",
            "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥",
            268435461,
        )
    entries = []
    for signer in list_signers(world, "certificate"):
        cipher = wire.seal(merchant.api_v3_key, signer.public_pem.encode(), "certificate")
        entries.append(
            {
                "serial_no": signer.serial,
                "effective_time": wire.wechat_time(
                    datetime.fromtimestamp(signer.effective_at, wire.CHINA)
                ),
                "expire_time": wire.wechat_time(
                    datetime.fromtimestamp(signer.expires_at, wire.CHINA)
                ),
                "encrypt_certificate": cipher,
            }
        )
    return 200, {"data": entries}
