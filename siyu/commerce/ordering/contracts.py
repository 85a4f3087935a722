"""Nouns of ordering. Amounts are fen of the shop's currency."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, Forbidden, NotFound
from siyu.kernel.events import Event

OrderId = NewType("OrderId", UUID)

MAX_LINES = 100
MAX_QUANTITY = 999


class OrderStatus(StrEnum):
    """Where an order stands; the allowed moves are `rules.MOVES`."""

    PENDING_PAYMENT = "pending_payment"
    PAID = "paid"
    SHIPPED = "shipped"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


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


class OrderLine(msgspec.Struct, frozen=True):
    """A line as it was bought: names, prices and its share of reductions are frozen.

    `list_price_fen * quantity - discount_fen == total_fen`.
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


class TimelineEntry(msgspec.Struct, frozen=True):
    """One thing that happened to an order; `event` is a key of `rules.LABELS`."""

    at: datetime
    event: str
    actor: str


class Order(msgspec.Struct, frozen=True):
    """An order without its lines. `address_sealed` opens to a members.AddressText in JSON."""

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
    """The total is not what the customer confirmed; `quote_total_fen` is the present one (F063)."""

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


class PaymentUnclear(Conflict):
    """WeChat has not confirmed that the payment is closed; nothing changed, try again (F016)."""

    code = "ordering.payment_unclear"
    zh = "支付状态确认中，请稍后再试"
    en = "The payment is being checked, please try again"


class BadImportFile(BadInput):
    """The file cannot be read at all, or lacks columns; `reason` says which."""

    code = "ordering.bad_import_file"
    zh = "文件无法导入：{reason}"
    en = "The file cannot be imported: {reason}"


class ImportPreset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to read another system's tables: which columns (by name, any case) hold what.

    `source` names that system and is part of what makes an order known again. `order_no` is used
    where there is one; else lines of one customer at one time are one order. `time_formats` are
    tried in turn after ISO 8601; times without an offset are the shop's local time.
    """

    source: str
    customer: list[str]
    time: list[str]
    item: list[str]
    quantity: list[str]
    price: list[str]
    order_no: list[str] = []
    item_name: list[str] = []
    customer_name: list[str] = []
    country: list[str] = []
    time_formats: list[str] = []


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the lines read: `lines == imported + known + refused`, none is lost.

    `known`: lines of orders that an earlier import brought. `refusals`: reason code -> lines;
    `notes`: what was imported and yet deserves a look. Amounts are fen. `report_file` lists each
    refused line; null when there is none.
    """

    import_id: UUID
    dry_run: bool
    source: str
    lines: int
    imported: int
    known: int
    refused: int
    orders: int
    returns: int
    known_orders: int
    customers: int
    products: int
    sold_fen: int
    returned_fen: int
    refusals: dict[str, int]
    notes: dict[str, int]
    report_file: str | None
    took_ms: int
    lines_per_second: int


class SoldLine(msgspec.Struct, frozen=True):
    """A line inside an event."""

    sku_id: UUID
    product_id: UUID
    product_no: int
    quantity: int
    total_fen: int


class OrderPlaced(Event, frozen=True):
    """A customer has ordered; the goods are reserved."""

    name: ClassVar[str] = "ordering.order_placed"
    order_id: UUID
    order_no: str
    person_no: int
    amount_fen: int


class OrderPaid(Event, frozen=True):
    """The money is there; `first_order` when it is this person's first paid one."""

    name: ClassVar[str] = "ordering.order_paid"
    order_id: UUID
    order_no: str
    person_no: int
    amount_fen: int
    lines: list[SoldLine]
    first_order: bool
    paid_at: datetime


class OrderCancelled(Event, frozen=True):
    """The order ended unpaid and its goods are free again."""

    name: ClassVar[str] = "ordering.order_cancelled"
    order_id: UUID
    order_no: str
    person_no: int
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
