"""Nouns of pricing. All amounts are whole fen; `pay_bps` 8500 is 85 折: 15 % less."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.money import MAX_FEN

Fen = Annotated[int, Meta(ge=0, le=MAX_FEN)]
SomeFen = Annotated[int, Meta(ge=1, le=MAX_FEN)]
PayBps = Annotated[int, Meta(ge=0, le=9_999)]
Pieces = Annotated[int, Meta(ge=1, le=999)]
Ids = Annotated[frozenset[UUID], Meta(max_length=500)]

BEST = "best"
"""The usual stacking group: of all its rules a line gets the one that is best for the buyer."""
ADDS = "adds"
"""No exclusivity: the rule takes from what the rules before it have left."""
MAX_COUPONS = 6
"""So many coupons are tried together in all combinations."""

# --- what is priced, and for whom -------------------------------------------------------------


class PriceLine(msgspec.Struct, frozen=True):
    """What is to be priced. `quantity` 1..999; `member_price_fen` is None where there is none.

    `category_ids`: the product's category and its parent. `weight_g` per piece. `floor_fen`: no
    piece is reduced below it. `is_sent`: false for what needs no parcel.
    """

    sku_id: UUID
    quantity: int
    list_price_fen: int
    member_price_fen: int | None = None
    product_id: UUID | None = None
    category_ids: tuple[UUID, ...] = ()
    weight_g: int = 0
    floor_fen: int | None = None
    is_sent: bool = True


class Region(msgspec.Struct, frozen=True):
    """Where a parcel goes; `city` "" is the whole province. Endings like 省 or 市 are ignored."""

    province: Annotated[str, Meta(min_length=1, max_length=20)]
    city: Annotated[str, Meta(max_length=20)] = ""


class Buyer(msgspec.Struct, frozen=True):
    """Who buys, as far as prices care; `region` is None until there is an address."""

    pays_member_price: bool
    is_first_order: bool = False
    is_birthday: bool = False
    region: Region | None = None


class Audience(StrEnum):
    """Whom a campaign is for."""

    EVERYONE = "everyone"
    MEMBERS = "members"
    FIRST_ORDER = "first_order"
    BIRTHDAY = "birthday"


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which lines count: those in one of the first three sets (all lines when the three are empty),
    but none that an `except_` set names. A category includes its children."""

    category_ids: Ids = frozenset()
    product_ids: Ids = frozenset()
    sku_ids: Ids = frozenset()
    except_category_ids: Ids = frozenset()
    except_product_ids: Ids = frozenset()
    except_sku_ids: Ids = frozenset()


# --- rules ------------------------------------------------------------------------------------


class MemberPrice(msgspec.Struct, frozen=True, tag="member_price"):
    """Members pay the SKU's member price; it is stated, so the floor does not raise it."""

    label: str = "会员价"
    group: str = BEST


class FixedPrice(msgspec.Struct, frozen=True, tag="fixed_price"):
    """An offer: these SKUs cost this much each (group-buy, flash sale). A price above the list
    price has no effect; the floor does not raise it."""

    price_fen: dict[UUID, int]
    label: str
    group: str = BEST
    rule_id: UUID | None = None


class Target(StrEnum):
    """What a price cut is for; the narrowest that fits a line is taken."""

    SKU = "sku"
    PRODUCT = "product"
    CATEGORY = "category"


class Cut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either a price per piece, or a part of the list price."""

    target: Target
    target_id: UUID
    price_fen: Fen | None = None
    pay_bps: PayBps | None = None


class TimedPrice(msgspec.Struct, frozen=True, tag="timed_price", forbid_unknown_fields=True):
    """限时折扣: lower prices for some goods while the campaign lasts."""

    cuts: Annotated[list[Cut], Meta(min_length=1, max_length=500)]


class Measure(StrEnum):
    """What must be reached: fen of the lines in scope, or their pieces."""

    AMOUNT = "amount"
    PIECES = "pieces"


class Gift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A SKU that is given, and how many of it."""

    sku_id: UUID
    quantity: Pieces = 1


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `at` (fen or pieces) on: so much off, or a part of the price to pay, and gifts."""

    at: Annotated[int, Meta(ge=1, le=MAX_FEN)]
    off_fen: Fen = 0
    pay_bps: PayBps | None = None
    gifts: Annotated[list[Gift], Meta(max_length=5)] = []


class Threshold(msgspec.Struct, frozen=True, tag="threshold", forbid_unknown_fields=True):
    """满减/满折/满赠: the highest tier that the lines in scope reach.

    `repeats` (每满减): a single tier is given as often as it is reached.
    """

    tiers: Annotated[list[Tier], Meta(min_length=1, max_length=5)]
    by: Measure = Measure.AMOUNT
    scope: Scope = Scope()
    repeats: bool = False


Terms = TimedPrice | Threshold


class CampaignRule(msgspec.Struct, frozen=True, tag="campaign", kw_only=True):
    """A campaign as the price function takes it.

    `group`: BEST, ADDS, or a name of one's own; a line gets at most one rule of a group. A line
    that got something from a campaign without `takes_coupons` takes no coupon; the buyer gets
    campaign or coupons, whichever is cheaper. `ignores_floor`: may go below the floor price.
    """

    campaign_id: UUID
    label: str
    terms: Terms
    group: str
    audience: Audience = Audience.EVERYONE
    takes_coupons: bool = True
    ignores_floor: bool = False


class FixedOff(msgspec.Struct, frozen=True, tag="fixed", forbid_unknown_fields=True):
    """立减券: so much less."""

    off_fen: SomeFen


class PercentOff(msgspec.Struct, frozen=True, tag="percent", forbid_unknown_fields=True):
    """折扣券: a part of the price is paid; at most `cap_fen` less."""

    pay_bps: PayBps
    cap_fen: SomeFen | None = None


class Exchange(msgspec.Struct, frozen=True, tag="exchange", forbid_unknown_fields=True):
    """兑换券: the dearest pieces in scope cost `pay_fen` each; the floor does not hold them."""

    pieces: Pieces = 1
    pay_fen: Fen = 0


CouponGives = FixedOff | PercentOff | Exchange


class CouponOff(msgspec.Struct, frozen=True, tag="coupon", kw_only=True):
    """A member's coupon as a rule.

    `from_fen`, percentages and what is counted look at the lines in scope after campaigns and
    before any coupon. Of the coupons of one `group` at most one is used; one that takes nothing off
    is not used at all. `full_price_only`: counts lines only that no campaign has touched.
    """

    claim_id: UUID
    coupon_id: UUID
    label: str
    gives: CouponGives
    from_fen: int = 0
    scope: Scope = Scope()
    group: str = "coupon"
    full_price_only: bool = False


class PointsUsed(msgspec.Struct, frozen=True, tag="points"):
    """The buyer's points take `off_fen` off the goods, after all other rules; shared by price.

    They pay, in a way: shipping that is free from some amount on looks at the goods before them,
    and the floor does not hold them."""

    off_fen: int
    label: str = "积分抵扣"


class Floor(msgspec.Struct, frozen=True, tag="floor"):
    """No line is reduced below this part of its list price (rounded up), except by a rule that
    says so. Without it, and without a `floor_fen` on the line, the floor is 0.
    """

    bps: int


class ChargeBy(StrEnum):
    """What the shipping fee grows with."""

    WEIGHT = "weight"
    PIECE = "piece"
    FLAT = "flat"


Units = Annotated[int, Meta(ge=1, le=1_000_000)]


class ShippingRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`first_fen` for the first units (grams or pieces), `next_fen` for each `next_units` begun
    after them; nothing from an amount or a number of pieces on (None: never free).
    """

    first_fen: Fen
    first_units: Units = 1
    next_fen: Fen = 0
    next_units: Units = 1
    free_from_fen: Fen | None = None
    free_from_pieces: Pieces | None = None


class ShippingArea(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Regions with a rate of their own; no rate: not delivered there."""

    regions: Annotated[list[Region], Meta(min_length=1, max_length=400)]
    rate: ShippingRate | None


class ShippingPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What sending costs: the area that names the city, else the province, else `otherwise`."""

    charge_by: ChargeBy
    otherwise: ShippingRate | None
    areas: Annotated[list[ShippingArea], Meta(max_length=50)] = []


class ShippingTemplate(msgspec.Struct, frozen=True):
    """A plan with its name."""

    template_id: UUID
    name: str
    plan: ShippingPlan


class Shipping(msgspec.Struct, frozen=True, tag="shipping"):
    """The shop's shipping. Lines go by the template of their product, else by the default; the fees
    of several templates are added up. Free amounts look at the goods before coupons and points.
    """

    default: ShippingTemplate | None
    by_product: dict[UUID, ShippingTemplate] = {}


Rule = MemberPrice | FixedPrice | CampaignRule | CouponOff | PointsUsed | Floor | Shipping


class Pricing(msgspec.Struct, frozen=True):
    """All that a shop's prices go by at a moment, but nothing of the buyer.

    `price(lines, buyer, [*pricing.rules, *coupons, PointsUsed(…)], is_sent=…)`.
    """

    rules: tuple[Rule, ...]


# --- what comes out ---------------------------------------------------------------------------


class TraceEntry(msgspec.Struct, frozen=True):
    """One step of the explanation; positive adds, negative takes away. All entries sum to the
    total.

    `rule`: list_price, member_price, fixed_price, timed_price, threshold, coupon, points or
    shipping; `rule_id`: the campaign, the coupon's claim, or the shipping template. `label`: what
    the merchant called it; of the built-in rules in Chinese, or as `wording.word_trace` says it.
    """

    rule: str
    label: str
    amount_fen: int
    sku_id: UUID | None
    rule_id: UUID | None = None


class Share(msgspec.Struct, frozen=True):
    """What one rule took off one line."""

    rule: str
    rule_id: UUID | None
    off_fen: int


class PricedLine(msgspec.Struct, frozen=True):
    """`unit_price_fen` is the price after the rules that set prices; `total_fen` also bears this
    line's share of all others.

    `list_price_fen * quantity - discount_fen == total_fen >= 0`; `points_fen` is that part of the
    discount which points took; `shares` add up to the discount.
    """

    sku_id: UUID
    quantity: int
    list_price_fen: int
    unit_price_fen: int
    discount_fen: int
    total_fen: int
    points_fen: int
    shares: list[Share] = []


class GiftLine(msgspec.Struct, frozen=True):
    """What comes with the order for nothing, if there is any left of it."""

    sku_id: UUID
    quantity: int
    label: str
    campaign_id: UUID


class Quote(msgspec.Struct, frozen=True):
    """`items_fen - discount_fen + shipping_fen == total_fen`; `items_fen` is at list prices.

    `coupons`: what each used coupon (claim) took off. `undelivered`: SKUs that are not sent to the
    buyer's region; ordering refuses them (NotDelivered).
    """

    lines: list[PricedLine]
    items_fen: int
    discount_fen: int
    shipping_fen: int
    total_fen: int
    trace: list[TraceEntry]
    gifts: list[GiftLine] = []
    coupons: dict[UUID, int] = {}
    undelivered: list[UUID] = []


# --- simulation -------------------------------------------------------------------------------


class OrderFacts(msgspec.Struct, frozen=True):
    """A past order, as far as prices care: its lines at list prices of then, its coupons."""

    lines: list[PriceLine]
    buyer: Buyer
    is_sent: bool = True
    member_id: UUID | None = None
    coupons: Sequence[CouponOff] = ()


class CampaignCost(msgspec.Struct, frozen=True):
    """What a campaign would have given: `orders` touched, of them, and its share of the turnover
    (goods at list prices, in bps; None without turnover)."""

    campaign_id: UUID
    label: str
    orders: int
    given_fen: int
    share_bps: int | None
    gifts: dict[UUID, int]


class CouponCost(msgspec.Struct, frozen=True):
    """As `CampaignCost`; `missed`: so many more had been used but for quantity and budget."""

    orders: int
    given_fen: int
    share_bps: int | None
    missed: int


class CostReport(msgspec.Struct, frozen=True):
    """Past orders priced under the rules before and after a change.

    `before_fen` and `after_fen` are the goods after reductions, `shipping_…` what was charged for
    sending; `lines_at_floor` were held by the floor, `lines_below_floor` went below it.
    """

    orders: int
    list_fen: int
    before_fen: int
    after_fen: int
    shipping_before_fen: int
    shipping_after_fen: int
    lines: int
    lines_at_floor: int
    lines_below_floor: int
    campaigns: list[CampaignCost]
    coupon: CouponCost | None = None


# --- errors -----------------------------------------------------------------------------------


class AmountTooLarge(BadInput):
    """More than 10^8 yuan in one order; refused before anything is multiplied (F066)."""

    code = "promotions.amount_too_large"
    zh = "金额超出上限"
    en = "The amount is above the limit"


class TooManyCoupons(BadInput):
    """More coupons on one order than MAX_COUPONS."""

    code = "promotions.too_many_coupons"
    zh = "一张订单最多使用 6 张优惠券"
    en = "An order takes at most 6 coupons"


class NotDelivered(Conflict):
    """Something in the basket is not sent to the address. `details.sku_ids`."""

    code = "promotions.not_delivered"
    zh = "部分商品不支持配送到该地区"
    en = "Some goods are not delivered to this region"


class PromotionNotFound(NotFound):
    """No such campaign, or shipping template, in this shop."""

    code = "promotions.not_found"
    zh = "活动或运费模板不存在"
    en = "No such campaign or shipping template"


class PromotionChanged(Conflict):
    """Another edit came first. `details.version` is the present one."""

    code = "promotions.changed"
    zh = "内容已被他人修改,请刷新后重试"
    en = "This was changed by somebody else; reload and try again"


class PromotionStands(Conflict):
    """It is not in a state for this. `details.why`."""

    code = "promotions.stands"
    zh = "当前状态不允许此操作"
    en = "The present state does not allow this"


class NotSimulated(Conflict):
    """The cost of this version was not simulated, and no reason was given for going without."""

    code = "promotions.not_simulated"
    zh = "请先用历史订单试算成本,或填写跳过试算的理由"
    en = "Simulate the cost on past orders first, or say why not"


class BadPromotion(BadInput):
    """The draft contradicts itself or names what is not there. `details`: field, why."""

    code = "promotions.malformed"
    zh = "设置有误"
    en = "The settings are not valid"
