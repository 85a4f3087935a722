"""Nouns of ordering. Amounts are fen of the shop's currency."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, Forbidden, NotFound
from siyu.kernel.events import Event
from siyu.kernel.money import MAX_FEN

OrderId = NewType("OrderId", UUID)

MAX_LINES = 100
MAX_QUANTITY = 999
OfflineMethod = Literal["cash", "card", "transfer", "other"]


class OrderStatus(StrEnum):
    """Where an order stands; the allowed moves are `rules.MOVES`."""

    PENDING_PAYMENT = "pending_payment"
    PAID = "paid"
    SHIPPED = "shipped"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"  # all of its money and points went back


class Delivery(StrEnum):
    """How an order reaches its buyer, frozen when it is placed."""

    SHIP = "ship"  # something is sent; received when confirmed, or after the shop's days
    SERVE = "serve"  # a service: done when staff or the customer say so, never by time
    INSTANT = "instant"  # virtual only: delivered, and completed, by being paid
    PICKUP = "pickup"  # the buyer collects it at one of the shop's own places
    GIFT = "gift"  # somebody else gets it, and says where to once it is paid


class OrderKind(StrEnum):
    """Returns come from imported history only; their amounts are positive too."""

    SALE = "sale"
    RETURN = "return"


class Platform(StrEnum):
    """Where the customer buys; iOS may not sell virtual goods (F024)."""

    MINI_PROGRAM = "mp-weixin"
    H5 = "h5"
    IOS = "ios"


class CancelReason(StrEnum):
    """Why an order ended unpaid."""

    TIMED_OUT = "timed_out"
    BY_CUSTOMER = "by_customer"
    BY_STAFF = "by_staff"


class LineAsked(msgspec.Struct, frozen=True):
    """What a customer wants: a SKU, 1..999 times."""

    sku_id: UUID
    quantity: int


class PickupStore(msgspec.Struct, frozen=True):
    """Where an order is collected, as it was told when it was placed."""

    store_id: UUID
    name: str
    address: str
    phone: str
    hours: str


class OrderLine(msgspec.Struct, frozen=True):
    """A line as it was bought: names, prices and its share of reductions are frozen.

    `list_price_fen * quantity - discount_fen == total_fen`; `points_fen` is that part of the
    discount which was paid with points. `is_gift`: given on top by a campaign, for 0 fen;
    `sent_quantity` pieces have left the house.
    """

    line_no: int
    sku_id: UUID
    product_id: UUID
    product_no: int
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int
    list_price_fen: int
    unit_price_fen: int
    discount_fen: int
    total_fen: int
    points_fen: int
    refunded_quantity: int
    refunded_fen: int
    is_gift: bool = False
    sent_quantity: int = 0


class TimelineEntry(msgspec.Struct, frozen=True):
    """One thing that happened to an order; `event` is a key of `rules.LABELS`."""

    at: datetime
    event: str
    actor: str


class Order(msgspec.Struct, frozen=True):
    """An order without its lines. `address_sealed` opens to a members.AddressText in JSON.

    What it is paid with: `wechat_fen + principal_fen + bonus_fen == total_fen`, the latter two from
    the member's balance; `points` took `points_fen` off the goods and are part of `discount_fen`,
    as is what each of its `coupons` (claim_id -> fen) took off. `is_offline`: `wechat_fen` was
    collected at the counter instead. `refunded_fen` counts refunds under way too. `receipt_due_at`:
    when a shipped order counts as received. `promoter_id`: the member who brought it. `pickup`:
    where it is collected.
    """

    order_id: UUID
    order_no: str
    kind: OrderKind
    status: OrderStatus
    member_id: UUID
    person_no: int
    platform: Platform | None
    has_virtual: bool
    items_fen: int
    discount_fen: int
    shipping_fen: int
    total_fen: int
    paid_fen: int
    placed_at: datetime
    pay_before: datetime | None
    paid_at: datetime | None
    payment_id: UUID | None
    remark: str
    address_sealed: bytes | None
    delivery: Delivery
    promoter_id: UUID | None
    wechat_fen: int
    principal_fen: int
    bonus_fen: int
    points: int
    points_fen: int
    refunded_fen: int
    refunded_shipping_fen: int
    shipped_at: datetime | None
    receipt_due_at: datetime | None
    completed_at: datetime | None
    pickup: PickupStore | None
    coupons: dict[UUID, int]
    is_offline: bool

    @property
    def balance_fen(self) -> int:
        """What the member's stored value pays."""
        return self.principal_fen + self.bonus_fen


class RefundStatus(StrEnum):
    """Where a refund of an order stands."""

    STARTED = "started"  # promised; WeChat has not finished its part yet
    ABNORMAL = "abnormal"  # WeChat could not reach the payer's account: finance must act
    CLOSED = "closed"  # given up before any of it was paid; what it claimed is free again
    REFUNDED = "refunded"  # every part has reached the customer


class RefundLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is given back of one line: pieces (0 when only money is) and fen."""

    line_no: Annotated[int, msgspec.Meta(ge=1, le=MAX_LINES)]
    quantity: Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]
    amount_fen: Annotated[int, msgspec.Meta(ge=0, le=MAX_FEN)]


class RefundSplit(msgspec.Struct, frozen=True):
    """How a refund is shared over what paid the order; `points` come on top of the two amounts."""

    wechat_fen: int
    balance_fen: int
    points: int


RefundableLine = RefundLine


class Refundable(msgspec.Struct, frozen=True):
    """What may still be given back of an order; nothing unless it is paid here. `amount_fen` is the
    most one refund can be: all lines and the shipping.
    """

    order_id: UUID
    status: OrderStatus
    lines: list[RefundLine]
    shipping_fen: int
    amount_fen: int


class OrderRefund(msgspec.Struct, frozen=True):
    """A refund of an order. `amount_fen == wechat_fen + balance_fen`, shipping included."""

    refund_id: UUID
    order_id: UUID
    status: RefundStatus
    amount_fen: int
    shipping_fen: int
    wechat_fen: int
    balance_fen: int
    points: int
    reason: str
    is_restocked: bool
    actor: str
    started_at: datetime
    finished_at: datetime | None
    lines: list[RefundLine]


class OrderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a shop decides about its orders. `receipt_days`: after so many days a shipped order
    counts as received (10, as WeChat counts for express).
    """

    receipt_days: Annotated[int, msgspec.Meta(ge=1, le=60)] = 10


class OrderNotFound(NotFound):
    """It does not exist, or is another member's."""

    code = "ordering.order_not_found"
    zh = "没有找到该订单"
    en = "There is no such order"


class SkuUnavailable(Conflict):
    """Some of the goods are gone from the shelf; `sku_ids` names them."""

    code = "ordering.sku_unavailable"
    zh = "部分商品已下架"
    en = "Some of the goods are no longer on sale"


class SkuNotFound(NotFound):
    """Some SKUs do not exist here; `sku_ids` names them."""

    code = "ordering.sku_not_found"
    zh = "没有找到该商品"
    en = "There is no such item"


class PriceChanged(Conflict):
    """The total is not what the customer confirmed; `quote_total_fen` is the present one (F063).
    Without it: another order got the price of a member's first order meanwhile."""

    code = "ordering.price_changed"
    zh = "价格有变动，请确认后重新提交"
    en = "The price has changed, please confirm again"


class NothingToBuy(BadInput):
    """No lines, or more than `limit`."""

    code = "ordering.nothing_to_buy"
    zh = "请选择要购买的商品"
    en = "Choose something to buy"


class QuantityTooLarge(BadInput):
    """More than 999 pieces of one SKU, counted over all lines."""

    code = "ordering.quantity_too_large"
    zh = "单个商品最多购买 {limit} 件"
    en = "At most {limit} pieces of one item"


class CartFull(Conflict):
    """The cart has `limit` lines already."""

    code = "ordering.cart_full"
    zh = "购物车最多放 {limit} 种商品"
    en = "The cart holds at most {limit} items"


class AddressNeeded(BadInput):
    """Physical goods need an address."""

    code = "ordering.address_needed"
    zh = "请选择收货地址"
    en = "Choose a delivery address"


class LimitReached(Conflict):
    """The member's orders hold `bought` pieces of `sku_id` already, or would hold too many."""

    code = "ordering.limit_reached"
    zh = "该商品每人限购 {limit} 件"
    en = "At most {limit} pieces of this item per customer"


class VirtualOnIos(Forbidden):
    """WeChat's rule: no virtual goods on iOS (F024)."""

    code = "ordering.virtual_on_ios"
    zh = "由于相关规范，iOS 暂不支持购买虚拟商品"
    en = "Virtual goods cannot be bought on iOS"


class MoveRefused(Conflict):
    """The order is not in a state from which this can happen; `status` is the present one."""

    code = "ordering.move_refused"
    zh = "订单当前状态不支持此操作"
    en = "The order's present state does not allow this"


class RefundTooMuch(Conflict):
    """More than is left of a line, the shipping or the order; details say what is left (F028)."""

    code = "ordering.refund_too_much"
    zh = "退款超过可退的数量或金额"
    en = "The refund is more than what is left to give back"


class NothingToRefund(BadInput):
    """A refund of no piece, no fen; or one that names a line twice or a line there is not."""

    code = "ordering.nothing_to_refund"
    zh = "请填写正确的退款商品和金额"
    en = "Say what is to be refunded, each line once"


class WrongAmount(Conflict):
    """What was taken at the counter is not what is due: `due_fen`."""

    code = "ordering.wrong_amount"
    zh = "收款金额与应收金额不符"
    en = "What was taken is not what is due"


class NothingToShip(Conflict):
    """No goods to send: all of them were refunded, or the order is none of goods."""

    code = "ordering.nothing_to_ship"
    zh = "该订单没有需要发货的商品"
    en = "Nothing of this order is to be sent"


class PaymentUnclear(Conflict):
    """WeChat has not confirmed that the payment is closed; nothing changed, try again (F016)."""

    code = "ordering.payment_unclear"
    zh = "支付状态确认中，请稍后再试"
    en = "The payment is being checked, please try again"


class _AboutOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What every event of an order tells."""

    order_id: UUID
    order_no: str
    person_no: int


class SoldLine(msgspec.Struct, frozen=True):
    """A line inside an event."""

    sku_id: UUID
    product_id: UUID
    product_no: int
    quantity: int
    total_fen: int


class OrderPlaced(_AboutOrder, Event, frozen=True, kw_only=True):
    """A customer has ordered; the goods are reserved."""

    name: ClassVar[str] = "ordering.order_placed"
    amount_fen: int


class OrderPaid(_AboutOrder, Event, frozen=True, kw_only=True):
    """The money is there; `first_order` when it is this person's first paid one.

    `wechat_fen` is the part that WeChat collected (the rest came from the balance, or was paid at
    the counter); `is_completed`: virtual goods, whose `OrderCompleted` comes in the same breath and
    may overtake this event. `coupon_fen` is what coupons took off.
    """

    name: ClassVar[str] = "ordering.order_paid"
    amount_fen: int
    lines: list[SoldLine]
    first_order: bool
    paid_at: datetime
    member_id: UUID | None = None  # orders before this release do not tell
    payment_id: UUID | None = None
    promoter_id: UUID | None = None
    wechat_fen: int = 0
    is_completed: bool = False
    delivery: Delivery = Delivery.SHIP
    coupon_fen: int = 0


class OrderShipped(_AboutOrder, Event, frozen=True, kw_only=True):
    """The goods have left the house."""

    name: ClassVar[str] = "ordering.order_shipped"
    amount_fen: int
    shipped_at: datetime


class OrderCompleted(_AboutOrder, Event, frozen=True, kw_only=True):
    """The customer has what was bought. `amount_fen` is the order's total, `goods_fen` the same
    without shipping, both before refunds (`OrderRefunded` tells those). `how` is the timeline's
    word for it.
    """

    name: ClassVar[str] = "ordering.order_completed"
    member_id: UUID
    amount_fen: int
    goods_fen: int
    how: str
    completed_at: datetime


class OrderRefundStarted(_AboutOrder, Event, frozen=True, kw_only=True):
    """Money is promised back, and cannot be promised again. (No `amount_fen`: readers of the stream
    add those up, and nothing has gone back yet.)
    """

    name: ClassVar[str] = "ordering.order_refund_started"
    refund_id: UUID
    refunded_fen: int


class OrderRefundUndone(_AboutOrder, Event, frozen=True, kw_only=True):
    """A refund was given up before any of it was paid: it may be asked for anew."""

    name: ClassVar[str] = "ordering.order_refund_undone"
    refund_id: UUID
    refunded_fen: int


class RefundedLine(msgspec.Struct, frozen=True):
    """A line inside a refund's event."""

    line_no: int
    sku_id: UUID
    product_id: UUID
    product_no: int
    quantity: int
    amount_fen: int


class OrderRefunded(_AboutOrder, Event, frozen=True, kw_only=True):
    """Every part of a refund has reached the customer.

    `refunded_fen` is how much, `amount_fen` the same as a negative number: readers of the stream
    add up amounts, and this one reduces turnover. `points` were given back; `goods_fen` is the part
    that was for goods; `is_full`: nothing of the order is left.
    """

    name: ClassVar[str] = "ordering.order_refunded"
    refund_id: UUID
    member_id: UUID
    amount_fen: int
    refunded_fen: int
    goods_fen: int
    points: int
    is_full: bool
    lines: list[RefundedLine]


class OrderCancelled(_AboutOrder, Event, frozen=True, kw_only=True):
    """The order ended unpaid and its goods are free again."""

    name: ClassVar[str] = "ordering.order_cancelled"
    amount_fen: int
    reason: str


class OrderImported(Event, frozen=True):
    """An order of another system's history, at its own time. `kind`: sale or return (negative)."""

    name: ClassVar[str] = "ordering.order_imported"
    order_id: UUID
    person_no: int
    amount_fen: int
    kind: str
    source: str
    first_order: bool
