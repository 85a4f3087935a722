"""Nouns of pricing. All amounts are whole fen."""

from enum import Enum
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput


class AmountTooLarge(BadInput):
    """More than 10^8 yuan in one order; refused before any multiplication reaches the database
    (F066).
    """

    code = "promotions.amount_too_large"
    zh = "金额超出上限"
    en = "The amount is above the limit"


class Stacking(Enum):
    """How a reduction lives with others on the same line."""

    BEST = "best"  # of all BEST rules only the one that is best for the buyer is used
    ADDS = "adds"  # taken from what is left after the best one, in the order of the rules


class PriceLine(msgspec.Struct, frozen=True):
    """What is to be priced. `quantity` 1..999; `member_price_fen` is None where there is none."""

    sku_id: UUID
    quantity: int
    list_price_fen: int
    member_price_fen: int | None = None


class Buyer(msgspec.Struct, frozen=True):
    """Who buys, as far as prices care."""

    pays_member_price: bool


class MemberPrice(msgspec.Struct, frozen=True, tag="member_price"):
    """Members pay the SKU's member price."""

    label: str = "会员价"
    stacking: Stacking = Stacking.BEST


class FixedPrice(msgspec.Struct, frozen=True, tag="fixed_price"):
    """An offer: these SKUs cost this much each (group-buy, flash sale). A price above the list
    price has no effect.
    """

    price_fen: dict[UUID, int]
    label: str
    stacking: Stacking = Stacking.BEST


class Reduction(msgspec.Struct, frozen=True, tag="reduction"):
    """满减: `off_fen` less if the lines still cost `from_fen`; shared by price."""

    from_fen: int
    off_fen: int
    label: str
    stacking: Stacking = Stacking.ADDS


class PointsUsed(msgspec.Struct, frozen=True, tag="points"):
    """The buyer's points take `off_fen` off the goods, after all other rules; shared by price.

    Shipping that is free from some amount on looks at the goods before points: they pay, in a way.
    """

    off_fen: int
    label: str = "积分抵扣"


class Shipping(msgspec.Struct, frozen=True, tag="shipping"):
    """A flat fee on orders that are sent, none from `free_from_fen` on (None: never free)."""

    fee_fen: int
    free_from_fen: int | None
    label: str = "运费"


Rule = MemberPrice | FixedPrice | Reduction | PointsUsed | Shipping


class TraceEntry(msgspec.Struct, frozen=True):
    """One step of the explanation; positive adds, negative takes away. All entries sum to the
    total.
    """

    rule: str
    label: str
    amount_fen: int
    sku_id: UUID | None


class PricedLine(msgspec.Struct, frozen=True):
    """`unit_price_fen` is the price after the best line rule; `total_fen` also bears this line's
    share of reductions.

    `list_price_fen * quantity - discount_fen == total_fen >= 0`; `points_fen` is that part of the
    discount which points took.
    """

    sku_id: UUID
    quantity: int
    list_price_fen: int
    unit_price_fen: int
    discount_fen: int
    total_fen: int
    points_fen: int


class Quote(msgspec.Struct, frozen=True):
    """`items_fen - discount_fen + shipping_fen == total_fen`; `items_fen` is at list prices."""

    lines: list[PricedLine]
    items_fen: int
    discount_fen: int
    shipping_fen: int
    total_fen: int
    trace: list[TraceEntry]
