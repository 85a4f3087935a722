"""The price function. Pure: the same lines, buyer and rules always cost the same.

A basket goes down from its list prices in five stages: campaigns and member prices, coupons,
points, and beside them shipping and gifts. What a stage is measured by is fixed before it begins,
so that no coupon can take a buyer below the sum another promise hangs on.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from siyu.commerce.promotions.contracts import (
    ADDS,
    MAX_COUPONS,
    AmountTooLarge,
    Buyer,
    CampaignRule,
    CouponOff,
    Exchange,
    FixedOff,
    FixedPrice,
    Floor,
    GiftLine,
    MemberPrice,
    PointsUsed,
    PricedLine,
    PriceLine,
    Quote,
    Rule,
    Share,
    Shipping,
    ShippingTemplate,
    Threshold,
    Tier,
    TimedPrice,
    TooManyCoupons,
    TraceEntry,
)
from siyu.commerce.promotions.rules import (
    covers,
    cut_price,
    find_rate,
    is_for,
    line_floor,
    part_off,
    reach,
    shipping_fee,
    spread,
    tier_off,
)
from siyu.kernel.money import MAX_FEN

LIST_PRICE = "list_price"
"""The rule that every trace begins with."""

Reducing = MemberPrice | FixedPrice | CampaignRule


def price(
    lines: Sequence[PriceLine], buyer: Buyer, rules: Sequence[Rule], *, is_sent: bool = True
) -> Quote:
    """Price a basket of distinct SKUs.

    Each line first gets the best rule of each stacking group, then the best combination of the
    coupons, then points; shipping is charged for lines that are sent, and only when `is_sent`.
    Coupons that lower nothing are left unused. Raises AmountTooLarge before multiplying what would
    be above 10^8 yuan, TooManyCoupons.
    """
    assert len({line.sku_id for line in lines}) == len(lines), "one line per SKU"
    _check_amounts(lines)
    # Remainders of a split go by position, so positions must not depend on how the client sorted
    # its lines.
    basket = sorted(lines, key=lambda line: line.sku_id)
    coupons = sorted((r for r in rules if isinstance(r, CouponOff)), key=lambda r: r.claim_id)
    if len(coupons) > MAX_COUPONS:
        raise TooManyCoupons
    points = [rule for rule in rules if isinstance(rule, PointsUsed)]
    after = _cheapest(_ways(basket, buyer, rules, coupons, is_sent), coupons, points)
    for used in points:
        off_fen = min(used.off_fen, sum(after.left))
        after.take("points", None, used.label, spread(off_fen, after.left))
    return _quote(lines, after)


def _check_amounts(lines: Sequence[PriceLine]) -> None:
    total = 0
    for line in lines:
        assert line.quantity > 0 and line.list_price_fen >= 0
        if line.list_price_fen > (MAX_FEN - total) // line.quantity:
            raise AmountTooLarge(sku_id=str(line.sku_id), limit_fen=MAX_FEN)
        total += line.list_price_fen * line.quantity


# --- the sheet: a basket on its way down ------------------------------------------------------


class _Step(NamedTuple):
    """What a rule took off each line."""

    rule: str
    rule_id: UUID | None
    label: str
    offs: list[int]


class _Sheet:
    """What each line still costs, and why. Shipping is settled when the campaigns are through."""

    def __init__(self, basket: list[PriceLine], floor_bps: int) -> None:
        self.basket = basket
        self.listed = [line.list_price_fen * line.quantity for line in basket]
        self.floors = [line_floor(line, floor_bps) for line in basket]
        self.left = self.listed
        self.steps: list[_Step] = []
        self.gifts: list[GiftLine] = []
        self.no_coupons: set[int] = set()
        self.shipping: list[tuple[ShippingTemplate, int]] = []
        self.undelivered: list[UUID] = []

    def copy(self) -> "_Sheet":
        """The same sheet, to go on another way; only `left` and `steps` are its own."""
        other = _Sheet.__new__(_Sheet)
        other.__dict__ |= self.__dict__
        other.steps = list(self.steps)
        return other

    def room(self, among: Sequence[int], *, ignores_floor: bool = False) -> list[int]:
        """How much may still be taken off each line; nothing off lines that are not `among`."""
        room = [0] * len(self.basket)
        for i in among:
            room[i] = self.left[i] if ignores_floor else max(0, self.left[i] - self.floors[i])
        return room

    def take(self, rule: str, rule_id: UUID | None, label: str, offs: list[int]) -> None:
        """Let a rule take so much off each line."""
        if any(offs):
            self.left = [left - off for left, off in zip(self.left, offs, strict=True)]
            self.steps.append(_Step(rule, rule_id, label, offs))

    @property
    def shipping_fen(self) -> int:
        """What sending costs."""
        return sum(fee for _, fee in self.shipping)


def _quote(lines: Sequence[PriceLine], sheet: _Sheet) -> Quote:
    """The sheet as the buyer sees it, in the order of the given lines."""
    trace = [
        TraceEntry(LIST_PRICE, "原价", amount, line.sku_id)
        for line, amount in zip(sheet.basket, sheet.listed, strict=True)
    ]
    shares: list[list[Share]] = [[] for _ in sheet.basket]
    units, points = list(sheet.listed), [0] * len(sheet.basket)
    coupons: dict[UUID, int] = {}
    for rule, rule_id, label, offs in sheet.steps:
        for i, off in enumerate(offs):
            if off:
                trace.append(TraceEntry(rule, label, -off, sheet.basket[i].sku_id, rule_id))
                shares[i].append(Share(rule, rule_id, off))
                units[i] -= off if rule in _SETS_PRICES else 0
                points[i] += off if rule == "points" else 0
        if rule == "coupon" and rule_id:
            coupons[rule_id] = sum(offs)
    trace += [
        TraceEntry("shipping", template.name, fee, None, template.template_id)
        for template, fee in sheet.shipping
        if fee
    ]
    priced = {
        line.sku_id: PricedLine(
            sku_id=line.sku_id,
            quantity=line.quantity,
            list_price_fen=line.list_price_fen,
            unit_price_fen=units[i] // line.quantity,
            discount_fen=sheet.listed[i] - sheet.left[i],
            total_fen=sheet.left[i],
            points_fen=points[i],
            shares=shares[i],
        )
        for i, line in enumerate(sheet.basket)
    }
    items_fen, goods_fen = sum(sheet.listed), sum(sheet.left)
    quote = Quote(
        lines=[priced[line.sku_id] for line in lines],
        items_fen=items_fen,
        discount_fen=items_fen - goods_fen,
        shipping_fen=sheet.shipping_fen,
        total_fen=goods_fen + sheet.shipping_fen,
        trace=trace,
        gifts=sheet.gifts,
        coupons=coupons,
        undelivered=sheet.undelivered,
    )
    if quote.total_fen > MAX_FEN:
        raise AmountTooLarge(limit_fen=MAX_FEN)
    assert min(sheet.left, default=0) >= 0
    assert sum(entry.amount_fen for entry in trace) == quote.total_fen
    return quote


# --- campaigns --------------------------------------------------------------------------------

_SETS_PRICES = frozenset({"member_price", "fixed_price", "timed_price"})


def _campaigned(
    basket: list[PriceLine],
    buyer: Buyer,
    rules: Sequence[Rule],
    is_sent: bool,
    *,
    with_closed: bool = True,
) -> _Sheet:
    """The basket after campaigns; not `with_closed`: without those that take no coupons."""
    floors = [rule.bps for rule in rules if isinstance(rule, Floor)]
    sheet = _Sheet(basket, max(floors, default=0))
    groups: dict[str, list[Reducing]] = {}
    for place, rule in enumerate(rules):
        if isinstance(rule, MemberPrice | FixedPrice) or (
            isinstance(rule, CampaignRule)
            and is_for(rule.audience, buyer)
            and (with_closed or rule.takes_coupons)
        ):
            key = rule.group if rule.group != ADDS else f"{ADDS} {place}"
            groups.setdefault(key, []).append(rule)
    # Prices come before what is counted by them; within that, as the rules stand.
    for group in sorted(groups.values(), key=lambda group: not any(map(_sets_prices, group))):
        _apply_group(sheet, buyer, group)
    if is_sent:
        for rule in rules:
            if isinstance(rule, Shipping):
                _ship(sheet, buyer, rule)
    return sheet


def _sets_prices(rule: Reducing) -> bool:
    return not (isinstance(rule, CampaignRule) and isinstance(rule.terms, Threshold))


class _Counted(NamedTuple):
    """What a rule would do: reductions by line, and the tier it reached so many times."""

    offs: list[int]
    tier: Tier | None = None
    times: int = 0


def _apply_group(sheet: _Sheet, buyer: Buyer, rules: Sequence[Reducing]) -> None:
    """Let each line have the one rule of the group that is best for the buyer.

    Prices compete line by line. A threshold stands for all lines it counts: the best one goes first
    if it beats the prices on the lines it touches; then the prices; then what thresholds make of
    the lines that are left. One that takes nothing off may still bring a gift.
    """
    lines = range(len(sheet.basket))
    free = set(lines)
    prices = [(_price_offs(rule, sheet, buyer), rule) for rule in rules if _sets_prices(rule)]
    best = [max((offs[i] for offs, _ in prices), default=0) for i in lines]
    waiting = [
        (rule, rule.terms)
        for rule in rules
        if isinstance(rule, CampaignRule) and isinstance(rule.terms, Threshold)
    ]
    _take_thresholds(sheet, waiting, free, best)
    for offs, rule in prices:
        wins = [off if i in free and off == best[i] else 0 for i, off in enumerate(offs)]
        free -= _take(sheet, rule, _Counted(wins))
    _take_thresholds(sheet, waiting, free, best)
    for rule, terms in waiting:
        _take(sheet, rule, _count(rule, terms, sheet, free))


def _take_thresholds(
    sheet: _Sheet, waiting: list[tuple[CampaignRule, Threshold]], free: set[int], best: list[int]
) -> None:
    """Let thresholds have their lines, each time the one that gains most over the best prices."""
    while waiting:
        tried = [_count(rule, terms, sheet, free) for rule, terms in waiting]
        gains = [sum(off - best[i] for i, off in enumerate(t.offs) if off) for t in tried]
        place = max(range(len(gains)), key=gains.__getitem__)
        if gains[place] <= 0:
            return
        free -= _take(sheet, waiting.pop(place)[0], tried[place])


def _price_offs(rule: Reducing, sheet: _Sheet, buyer: Buyer) -> list[int]:
    """What the rule's prices would take off each line, given what the lines still cost."""
    held = isinstance(rule, CampaignRule) and not rule.ignores_floor
    room = sheet.room(range(len(sheet.basket)), ignores_floor=not held)
    offs = [0] * len(sheet.basket)
    for i, line in enumerate(sheet.basket):
        unit = _unit_price(rule, line, buyer)
        if unit is not None:
            offs[i] = min(room[i], max(0, sheet.left[i] - unit * line.quantity))
    return offs


def _unit_price(rule: Reducing, line: PriceLine, buyer: Buyer) -> int | None:
    """What the rule wants for a piece, if it has a price for it."""
    if isinstance(rule, MemberPrice):
        return line.member_price_fen if buyer.pays_member_price else None
    if isinstance(rule, FixedPrice):
        return rule.price_fen.get(line.sku_id)
    return cut_price(rule.terms.cuts, line) if isinstance(rule.terms, TimedPrice) else None


def _count(rule: CampaignRule, terms: Threshold, sheet: _Sheet, free: set[int]) -> _Counted:
    """What a threshold would do with the lines that are free for it."""
    among = [i for i in sorted(free) if covers(terms.scope, sheet.basket[i])]
    amount = sum(sheet.left[i] for i in among)
    tier, times = reach(terms, amount, sum(sheet.basket[i].quantity for i in among))
    off_fen = tier_off(tier, times, amount) if tier else 0
    room = sheet.room(among, ignores_floor=rule.ignores_floor)
    return _Counted(spread(min(off_fen, sum(room)), room), tier, times)


def _take(sheet: _Sheet, rule: Reducing, counted: _Counted) -> set[int]:
    """Let a rule have its lines; returns them."""
    touched = {i for i, off in enumerate(counted.offs) if off}
    if isinstance(rule, CampaignRule):
        rule_id: UUID | None = rule.campaign_id
        kind = rule.terms.__struct_config__.tag
        if not rule.takes_coupons:
            sheet.no_coupons |= touched
        sheet.gifts += [
            GiftLine(gift.sku_id, gift.quantity * counted.times, rule.label, rule.campaign_id)
            for gift in (counted.tier.gifts if counted.tier else ())
        ]
    else:
        kind = rule.__struct_config__.tag
        rule_id = rule.rule_id if isinstance(rule, FixedPrice) else None
    sheet.take(str(kind), rule_id, rule.label, counted.offs)
    return touched


# --- coupons ----------------------------------------------------------------------------------


def _ways(
    basket: list[PriceLine],
    buyer: Buyer,
    rules: Sequence[Rule],
    coupons: Sequence[CouponOff],
    is_sent: bool,
) -> list[_Sheet]:
    """The basket after campaigns; and, if one of them kept coupons off and there are coupons, after
    the other campaigns only.
    """
    sheet = _campaigned(basket, buyer, rules, is_sent)
    if not (coupons and sheet.no_coupons):
        return [sheet]
    return [sheet, _campaigned(basket, buyer, rules, is_sent, with_closed=False)]


def _cheapest(
    ways: Sequence[_Sheet], coupons: Sequence[CouponOff], points: Sequence[PointsUsed]
) -> _Sheet:
    """The way and the coupons that cost the buyer least; of equals the one with fewer coupons.

    All combinations are tried, so one more coupon can only add to what there is to choose from.
    """
    points_fen = sum(used.off_fen for used in points)

    def cost(sheet: _Sheet) -> int:
        return max(0, sum(sheet.left) - points_fen) + sheet.shipping_fen

    tried = [ways[0]]
    for sheet in ways:
        worth = [offs for coupon in coupons if any((offs := _coupon_base(coupon, sheet)).room)]
        tried += [_redeem(sheet, chosen) for chosen in _combinations(worth)]
    return min(tried, key=lambda sheet: (cost(sheet), sum(s.rule == "coupon" for s in sheet.steps)))


class _Redeemable(NamedTuple):
    """A coupon that counts some lines: what it would take in all, or of each line."""

    coupon: CouponOff
    off_fen: int
    room: list[int]


def _combinations(usable: Sequence[_Redeemable]) -> Iterator[list[_Redeemable]]:
    """Every choice of at most one coupon of each group, but not of none at all; in the order of
    `usable`, so that two coupons take the same from the basket whatever else could be chosen."""
    groups: dict[str, list[tuple[int, _Redeemable] | None]] = {}
    for place, one in enumerate(usable):
        groups.setdefault(one.coupon.group, [None]).append((place, one))
    for choice in itertools.product(*groups.values()):
        chosen = [one for _, one in sorted(pair for pair in choice if pair)]
        if chosen:
            yield chosen


def _coupon_base(coupon: CouponOff, sheet: _Sheet) -> _Redeemable:
    """What a coupon is worth on the basket after campaigns, before any other coupon."""
    among = [
        i
        for i, line in enumerate(sheet.basket)
        if i not in sheet.no_coupons
        and covers(coupon.scope, line)
        and not (coupon.full_price_only and sheet.left[i] < sheet.listed[i])
    ]
    amount = sum(sheet.left[i] for i in among)
    if amount < max(coupon.from_fen, 1):
        return _Redeemable(coupon, 0, [0] * len(sheet.basket))
    match coupon.gives:
        case FixedOff(off_fen=off_fen):
            pass
        case Exchange() as exchange:
            room = _exchanged(exchange, sheet, among)
            return _Redeemable(coupon, sum(room), room)
        case percent:
            off_fen = part_off(amount, percent.pay_bps)
            off_fen = off_fen if percent.cap_fen is None else min(off_fen, percent.cap_fen)
    return _Redeemable(coupon, off_fen, sheet.room(among) if off_fen else [0] * len(sheet.basket))


def _exchanged(exchange: Exchange, sheet: _Sheet, among: Sequence[int]) -> list[int]:
    """What each line loses when its pieces are exchanged, the dearest first."""
    offs, pieces = [0] * len(sheet.basket), exchange.pieces
    for i in sorted(among, key=lambda i: -(sheet.left[i] // sheet.basket[i].quantity)):
        quantity = sheet.basket[i].quantity
        taken = min(pieces, quantity)
        offs[i] = max(0, sheet.left[i] * taken // quantity - exchange.pay_fen * taken)
        pieces -= taken
    return offs


def _redeem(sheet: _Sheet, chosen: Sequence[_Redeemable]) -> _Sheet:
    """The basket after these coupons, one after the other."""
    after = sheet.copy()
    for coupon, off_fen, room in chosen:
        if isinstance(coupon.gives, Exchange):
            offs = [min(off, left) for off, left in zip(room, after.left, strict=True)]
        else:
            now = after.room([i for i, space in enumerate(room) if space])
            offs = spread(min(off_fen, sum(now)), now)
        after.take("coupon", coupon.claim_id, coupon.label, offs)
    return after


# --- shipping ---------------------------------------------------------------------------------


def _ship(sheet: _Sheet, buyer: Buyer, rule: Shipping) -> None:
    """Settle what sending costs: each template by the lines that go by it."""
    parcels: dict[UUID, tuple[ShippingTemplate, list[int]]] = {}
    for i, line in enumerate(sheet.basket):
        own = rule.by_product.get(line.product_id) if line.product_id else None
        template = own or rule.default
        if line.is_sent and template:
            parcels.setdefault(template.template_id, (template, []))[1].append(i)
    for template, members in parcels.values():
        lines = [sheet.basket[i] for i in members]
        rate = find_rate(template.plan, buyer.region)
        if rate is None:
            if buyer.region:
                sheet.undelivered += [line.sku_id for line in lines]
            continue
        fee = shipping_fee(
            template.plan,
            rate,
            goods_fen=sum(sheet.left[i] for i in members),
            pieces=sum(line.quantity for line in lines),
            weight_g=sum(line.weight_g * line.quantity for line in lines),
        )
        sheet.shipping.append((template, fee))
