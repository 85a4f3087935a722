"""Cart, checkout and orders of the customer."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter

from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering import queries, service
from siyu.commerce.ordering.contracts import (
    MAX_LINES,
    MAX_QUANTITY,
    CancelReason,
    LineAsked,
    Order,
    OrderNotFound,
    OrderStatus,
    Platform,
)
from siyu.commerce.ordering.service import cart_store, counting, hot_lane, order_view, quote_view
from siyu.commerce.ordering.service.counting import OrderCounts
from siyu.commerce.ordering.service.order_view import OrderSummary, OrderView
from siyu.commerce.promotions.contracts import MAX_COUPONS
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import looking, reading, transaction, writing_at_once
from siyu.kernel.http import MEMBER, OnceKey, Page, decode_cursor, delete, get, patch, post
from siyu.kernel.i18n import language_of
from siyu.kernel.idempotency import Recalled, Replayed
from siyu.kernel.money import MAX_FEN
from siyu.merchant.shops import service as shops
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    AttemptState,
    Channel,
    ClosingResult,
    PaymentId,
    StartedPayment,
)
from siyu.people.members import service as members

Quantity = Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused: a client cannot send a price (F064)."""


class LineBody(_Body, frozen=True):
    """A SKU, 1..999 times."""

    sku_id: UUID
    quantity: Quantity


Lines = Annotated[list[LineBody], msgspec.Meta(max_length=MAX_LINES)]


class CartLineChange(_Body, frozen=True):
    """What is null stays."""

    quantity: Quantity | None = None
    selected: bool | None = None


class CartSelection(_Body, frozen=True):
    """All lines, or none."""

    selected: bool


CouponIds = Annotated[list[UUID], msgspec.Meta(max_length=MAX_COUPONS)] | None


class QuoteBody(_Body, frozen=True):
    """`source` cart with no lines: whatever is selected in the cart. `coupon_ids`: null for the
    best ones, [] for none. `pickup_store_id`: collected there instead of sent.
    """

    source: Literal["cart", "lines"]
    lines: Lines
    address_id: UUID | None
    use_points: bool = False
    use_balance: bool = False
    coupon_ids: CouponIds = None
    pickup_store_id: UUID | None = None


class PlaceOrderBody(_Body, frozen=True):
    """`lines` are those of the confirmed quote; with source cart they leave the cart.

    `use_points`, `use_balance`, `coupon_ids`: choices only, as in the quote. The expected amounts
    are what the customer saw.
    `promoter_id`: the member whose link brought the customer; a stranger's id earns nothing.
    """

    source: Literal["cart", "lines"]
    lines: Annotated[list[LineBody], msgspec.Meta(min_length=1, max_length=MAX_LINES)]
    address_id: UUID | None
    remark: Annotated[str, msgspec.Meta(max_length=200)]
    expected_total_fen: Annotated[int, msgspec.Meta(ge=0, le=MAX_FEN)]
    platform: Platform
    expected_payable_fen: Annotated[int, msgspec.Meta(ge=0, le=MAX_FEN)] | None = None
    use_points: bool = False
    use_balance: bool = False
    coupon_ids: CouponIds = None
    pickup_store_id: UUID | None = None
    promoter_id: UUID | None = None


class CancelBody(_Body, frozen=True):
    """`reason` is the customer's own words; only kept for the conversation, not for decisions."""

    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class PayBody(_Body, frozen=True):
    """jsapi: inside WeChat; native: a code to scan."""

    channel: Literal["jsapi", "native"]


class PaymentView(msgspec.Struct, frozen=True):
    """What the client needs to open the pay sheet, or nothing more when `state` is paid."""

    payment_id: UUID
    state: AttemptState
    jsapi: Any
    code_url: str | None


class SyncView(msgspec.Struct, frozen=True):
    """`payment_state` is null when no payment was begun."""

    order_status: OrderStatus
    payment_state: AttemptState | None


def _chinese(request: Request[Any, Any, Any]) -> bool:
    return language_of(request.headers.get("accept-language")) == "zh-CN"


def _asked(lines: list[LineBody]) -> list[LineAsked]:
    return [LineAsked(line.sku_id, line.quantity) for line in lines]


# --- cart -------------------------------------------------------------------------------------


@get("/cart", access=MEMBER)
async def show_cart(member: MemberIdentity) -> service.CartView:
    """The cart at today's prices and stock."""
    async with reading(member.shop_id) as tx:
        return await service.load_cart(tx, member.member_id)


@post("/cart/lines", access=MEMBER)
async def add_cart_line(data: LineBody, member: MemberIdentity) -> service.CartView:
    """Put a SKU into the cart, or more of it."""
    async with writing_at_once(member.shop_id) as tx:
        return await service.add_to_cart(
            tx, member.member_id, LineAsked(data.sku_id, data.quantity)
        )


@patch("/cart/lines/{sku_id:uuid}", access=MEMBER)
async def change_cart_line(
    sku_id: UUID, data: CartLineChange, member: MemberIdentity
) -> service.CartView:
    """Change how many, or whether the line is selected."""
    async with transaction(member.shop_id) as tx:
        await service.change_cart_line(tx, member.member_id, sku_id, data.quantity, data.selected)
        return await service.load_cart(tx, member.member_id)


@delete("/cart/lines/{sku_id:uuid}", access=MEMBER, status_code=200)
async def remove_cart_line(sku_id: UUID, member: MemberIdentity) -> service.CartView:
    """Take a SKU out of the cart."""
    async with transaction(member.shop_id) as tx:
        await service.remove_from_cart(tx, member.member_id, sku_id)
        return await service.load_cart(tx, member.member_id)


@post("/cart/select", access=MEMBER)
async def select_cart(data: CartSelection, member: MemberIdentity) -> service.CartView:
    """Select all lines, or none."""
    async with transaction(member.shop_id) as tx:
        await service.select_cart(tx, member.member_id, data.selected)
        return await service.load_cart(tx, member.member_id)


# --- checkout ---------------------------------------------------------------------------------


@post("/checkout/quote", access=MEMBER)
async def quote_checkout(
    data: QuoteBody, member: MemberIdentity, request: Request[Any, Any, Any]
) -> quote_view.QuoteView:
    """What a basket costs now, explained to the fen."""
    lines = _asked(data.lines)
    async with looking(member.shop_id) as tx:
        if data.source == "cart" and not lines:
            cart = await cart_store.list_cart(tx, member.member_id)
            lines = [LineAsked(line.sku_id, line.quantity) for line in cart if line.selected]
        basket = await service.load_basket(
            tx,
            member.member_id,
            lines,
            data.address_id,
            _choice(data),
            pickup_store_id=data.pickup_store_id,
            shows_offers=True,
        )
    return quote_view.show(basket, chinese=_chinese(request))


def _choice(data: QuoteBody | PlaceOrderBody) -> service.Choice:
    coupon_ids = None if data.coupon_ids is None else tuple(data.coupon_ids)
    return service.Choice(data.use_points, data.use_balance, coupon_ids)


@post("/orders", access=MEMBER)
async def place_order(
    data: PlaceOrderBody, member: MemberIdentity, once: OnceKey, request: Request[Any, Any, Any]
) -> OrderView:
    """Order what was confirmed. The total is compared, never taken: 409 with the present one."""
    chinese = _chinese(request)
    try:
        if _is_for_hot_lane(data, member):
            answer: Any = msgspec.Raw(await hot_lane.place(_wish(data, member, once, chinese)))
            return answer  # type: ignore[no-any-return]
        return await _place_order(data, member, once, chinese)
    except Recalled as recalled:
        async with looking(member.shop_id) as tx:
            view = await order_view.recall(tx, recalled.made, chinese=chinese)
        raise Replayed(200, msgspec.json.encode(view)) from None


def _wish(
    data: PlaceOrderBody, member: MemberIdentity, once: OnceKey, chinese: bool
) -> hot_lane.Wish:
    line = data.lines[0]
    return hot_lane.Wish(
        member=member,
        once=once,
        line=LineAsked(line.sku_id, line.quantity),
        address_id=data.address_id,
        remark=data.remark,
        expected_total_fen=data.expected_total_fen,
        expected_payable_fen=data.expected_payable_fen,
        platform=data.platform,
        empties_cart=data.source == "cart",
        promoter_id=data.promoter_id,
        best_coupons=data.coupon_ids is None,
        chinese=chinese,
    )


async def _place_order(
    data: PlaceOrderBody, member: MemberIdentity, once: OnceKey, chinese: bool
) -> OrderView:
    async with transaction(member.shop_id, once=once, replans=False) as tx:
        placed = await service.place_order(
            tx,
            member,
            _asked(data.lines),
            address_id=data.address_id,
            remark=data.remark,
            expected_total_fen=data.expected_total_fen,
            platform=data.platform,
            empties_cart=data.source == "cart",
            choice=_choice(data),
            expected_payable_fen=data.expected_payable_fen,
            promoter_id=data.promoter_id,
            pickup_store_id=data.pickup_store_id,
        )
        return order_view.answer(tx, placed, chinese=chinese)


def _is_for_hot_lane(data: PlaceOrderBody, member: MemberIdentity) -> bool:
    """One SKU that is hot, and nothing that only the ordinary way can do."""
    return (
        len(data.lines) == 1
        and not data.coupon_ids
        and not (data.use_points or data.use_balance or data.pickup_store_id)
        and inventory.is_hot(member.shop_id, data.lines[0].sku_id)
    )


# --- orders -----------------------------------------------------------------------------------


@get("/orders", access=MEMBER)
async def list_own_orders(
    member: MemberIdentity,
    status: OrderStatus | None = None,
    q: Annotated[str | None, Parameter(max_length=60, pattern=r"^[^\x00]*$")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[OrderSummary]:
    """Own orders, newest first. `q`: an order number, or a part of a title, or of the receiver's
    name or phone number.
    """
    after = decode_cursor(cursor, queries.Place)
    async with reading(member.shop_id) as tx:
        wanted = await service.own_filter(tx, member.member_id, q) if q and q.strip() else None
        orders = await service.list_member_orders(
            tx, member.member_id, status, after, limit + 1, wanted
        )
        lines = await queries.list_lines(tx, [order.order_id for order in orders])
    return Page.of(
        [order_view.summarise(order, lines[order.order_id]) for order in orders],
        limit,
        key=lambda order: [order.placed_at, order.order_id],
    )


@get("/orders/counts", access=MEMBER)
async def count_own_orders(member: MemberIdentity) -> OrderCounts:
    """How many own orders stand where."""
    async with reading(member.shop_id) as tx:
        return await counting.count_own(tx, member.member_id)


@get("/orders/{order_id:uuid}", access=MEMBER)
async def show_own_order(
    order_id: UUID, member: MemberIdentity, request: Request[Any, Any, Any]
) -> OrderView:
    """One own order with its timeline."""
    async with reading(member.shop_id) as tx:
        order = _own(await queries.get_order(tx, order_id), member)
        return await order_view.load(tx, order, chinese=_chinese(request))


def _own(order: Order | None, member: MemberIdentity) -> Order:
    """Another's order and none are the same answer (F080)."""
    if order is None or order.member_id != member.member_id:
        raise OrderNotFound
    return order


@post("/orders/{order_id:uuid}/cancel", access=MEMBER)
async def cancel_own_order(
    order_id: UUID,
    data: CancelBody,
    member: MemberIdentity,
    once: OnceKey,
    request: Request[Any, Any, Any],
) -> OrderView:
    """Cancel an unpaid order: first the payment is closed at WeChat, then the goods are freed."""
    async with reading(member.shop_id) as tx:
        order = _own(await queries.get_order(tx, order_id), member)
    closing = ClosingResult.UNKNOWN
    if order.status is OrderStatus.PENDING_PAYMENT:
        closing = await payments.close_order(member.shop_id, order_id)
    async with transaction(member.shop_id, once=once) as write:
        await service.cancel_unpaid(write, order_id, closing, CancelReason.BY_CUSTOMER, member)
        order = _own(await queries.get_order(write, order_id), member)
        return write.answer(await order_view.load(write, order, chinese=_chinese(request)))


@post("/orders/{order_id:uuid}/confirm-receipt", access=MEMBER)
async def confirm_receipt(
    order_id: UUID, member: MemberIdentity, once: OnceKey, request: Request[Any, Any, Any]
) -> OrderView:
    """Say "I have it": of goods that were sent, or of a service. Points come of it."""
    async with transaction(member.shop_id, once=once) as tx:
        _own(await service.lock_order(tx, order_id), member)
        order = await service.confirm_receipt(tx, order_id, member)
        return tx.answer(await order_view.load(tx, order, chinese=_chinese(request)))


@post("/orders/{order_id:uuid}/again", access=MEMBER)
async def buy_again(order_id: UUID, member: MemberIdentity) -> service.BoughtAgain:
    """Put what is still on sale of an own order into the cart, and say what is not."""
    async with transaction(member.shop_id) as tx:
        _own(await queries.get_order(tx, order_id), member)
        lines = await queries.list_lines(tx, [order_id])
        return await service.buy_again(tx, member.member_id, lines[order_id])


class _Intended(msgspec.Struct, frozen=True):
    """What is kept under the key of a pay request: with it WeChat can be asked again."""

    payment_id: UUID


@post("/orders/{order_id:uuid}/pay", access=MEMBER)
async def pay_order(
    order_id: UUID, data: PayBody, member: MemberIdentity, once: OnceKey
) -> PaymentView:
    """Begin to pay: store the attempt, then ask WeChat. A replay asks again by the same number."""
    channel = Channel(data.channel)
    try:
        async with transaction(member.shop_id, once=once) as tx:
            _own(await queries.get_order(tx, order_id), member)
            payer = None
            if channel is Channel.JSAPI:
                settings = await shops.get_wechat(tx)
                account = await members.get_payer(tx, member.member_id, settings.appid or "")
                payer = account.subject
            payment_id = await service.start_payment(tx, order_id, channel, payer)
            tx.answer(_Intended(payment_id))
    except Replayed as replay:
        payment_id = PaymentId(msgspec.json.decode(replay.answer, type=_Intended).payment_id)
    return _payment_view(await payments.call(member.shop_id, payment_id))


def _payment_view(started: StartedPayment) -> PaymentView:
    return PaymentView(started.payment_id, started.state, started.jsapi, started.code_url)


@post("/orders/{order_id:uuid}/pay/sync", access=MEMBER)
async def sync_payment(order_id: UUID, member: MemberIdentity) -> SyncView:
    """Ask WeChat now how the payment stands; for a client that came back from the pay sheet."""
    async with reading(member.shop_id) as tx:
        _own(await queries.get_order(tx, order_id), member)
    state = await payments.sync(member.shop_id, order_id)
    async with reading(member.shop_id) as tx:
        order = _own(await queries.get_order(tx, order_id), member)
    return SyncView(order.status, state)


routes = [
    show_cart,
    add_cart_line,
    change_cart_line,
    remove_cart_line,
    select_cart,
    quote_checkout,
    place_order,
    list_own_orders,
    show_own_order,
    cancel_own_order,
    confirm_receipt,
    count_own_orders,
    buy_again,
    pay_order,
    sync_payment,
]
