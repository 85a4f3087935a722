"""The price function. Pure: the same lines, buyer and rules always cost the same."""

from collections.abc import Sequence

from siyu.commerce.promotions.contracts import (
    AmountTooLarge,
    Buyer,
    FixedPrice,
    MemberPrice,
    PointsUsed,
    PricedLine,
    PriceLine,
    Quote,
    Reduction,
    Rule,
    Shipping,
    Stacking,
    TraceEntry,
)
from siyu.kernel.money import MAX_FEN, split_fen

LIST_PRICE = "list_price"
"""The rule that every trace begins with."""

STANDARD_RULES: tuple[Rule, ...] = (MemberPrice(),)


def price(
    lines: Sequence[PriceLine], buyer: Buyer, rules: Sequence[Rule], *, is_sent: bool = True
) -> Quote:
    """Price a basket of distinct SKUs.

    Each line first gets the best of the BEST rules, then every ADDS rule takes from what is left,
    then points; `Shipping` comes last and only when `is_sent`. Raises AmountTooLarge before
    multiplying what would be above 10^8 yuan.
    """
    assert len({line.sku_id for line in lines}) == len(lines), "one line per SKU"
    _check_amounts(lines)
    # Remainders of a split go by position, so positions must not depend on how the client sorted
    # its lines.
    basket = sorted(lines, key=lambda line: line.sku_id)
    listed = [line.list_price_fen * line.quantity for line in basket]
    trace = [
        TraceEntry(LIST_PRICE, "原价", amount, line.sku_id)
        for line, amount in zip(basket, listed, strict=True)
    ]
    left, after_best = listed, listed
    reductions = [rule for rule in rules if not isinstance(rule, PointsUsed | Shipping)]
    best = [rule for rule in reductions if rule.stacking is Stacking.BEST]
    if best:
        left = after_best = _apply_best(basket, buyer, best, listed, trace)
    for rule in reductions:
        if rule.stacking is Stacking.ADDS:
            left = _take(basket, rule, left, _off(rule, basket, buyer, left), trace)
    goods_fen, before_points = sum(left), left
    for points in rules:
        if isinstance(points, PointsUsed) and any(left):
            offs = split_fen(min(points.off_fen, sum(left)), left)
            left = _take(basket, points, left, offs, trace)
    shipping_fen = _shipping(rules, goods_fen, trace) if is_sent else 0
    assert min(left, default=0) >= 0
    priced = {
        line.sku_id: PricedLine(
            sku_id=line.sku_id,
            quantity=line.quantity,
            list_price_fen=line.list_price_fen,
            unit_price_fen=after_best[i] // line.quantity,
            discount_fen=listed[i] - left[i],
            total_fen=left[i],
            points_fen=before_points[i] - left[i],
        )
        for i, line in enumerate(basket)
    }
    quote = Quote(
        lines=[priced[line.sku_id] for line in lines],
        items_fen=sum(listed),
        discount_fen=sum(listed) - sum(left),
        shipping_fen=shipping_fen,
        total_fen=sum(left) + shipping_fen,
        trace=trace,
    )
    assert sum(entry.amount_fen for entry in trace) == quote.total_fen
    return quote


def _check_amounts(lines: Sequence[PriceLine]) -> None:
    total = 0
    for line in lines:
        assert line.quantity > 0 and line.list_price_fen >= 0
        if line.list_price_fen > (MAX_FEN - total) // line.quantity:
            raise AmountTooLarge(sku_id=str(line.sku_id), limit_fen=MAX_FEN)
        total += line.list_price_fen * line.quantity


def _off(rule: Rule, basket: list[PriceLine], buyer: Buyer, left: list[int]) -> list[int]:
    """What the rule would take off each line, given what the lines still cost."""
    match rule:
        case MemberPrice() if buyer.pays_member_price:
            units = [line.member_price_fen for line in basket]
            return _down_to(units, basket, left)
        case FixedPrice():
            return _down_to([rule.price_fen.get(line.sku_id) for line in basket], basket, left)
        case Reduction() if sum(left) >= max(rule.from_fen, 1):
            return split_fen(min(rule.off_fen, sum(left)), left)
    return [0] * len(basket)


def _down_to(units: Sequence[int | None], basket: list[PriceLine], left: list[int]) -> list[int]:
    return [
        0 if unit is None else max(0, amount - unit * line.quantity)
        for unit, line, amount in zip(units, basket, left, strict=True)
    ]


def _apply_best(
    basket: list[PriceLine],
    buyer: Buyer,
    rules: Sequence[Rule],
    listed: list[int],
    trace: list[TraceEntry],
) -> list[int]:
    offers = [(_off(rule, basket, buyer, listed), rule) for rule in rules]
    left = list(listed)
    for i, line in enumerate(basket):
        off, rule = max(((offs[i], rule) for offs, rule in offers), key=lambda offer: offer[0])
        if off:
            left[i] -= off
            trace.append(_entry(rule, -off, line))
    return left


def _take(
    basket: list[PriceLine], rule: Rule, left: list[int], offs: list[int], trace: list[TraceEntry]
) -> list[int]:
    trace += [_entry(rule, -off, line) for off, line in zip(offs, basket, strict=True) if off]
    return [amount - off for amount, off in zip(left, offs, strict=True)]


def _shipping(rules: Sequence[Rule], goods_fen: int, trace: list[TraceEntry]) -> int:
    fee_fen = 0
    for rule in rules:
        if isinstance(rule, Shipping) and (
            rule.free_from_fen is None or goods_fen < rule.free_from_fen
        ):
            fee_fen += rule.fee_fen
            trace.append(_entry(rule, rule.fee_fen, None))
    return fee_fen


def _entry(rule: Rule, amount_fen: int, line: PriceLine | None) -> TraceEntry:
    key = rule.__struct_config__.tag
    return TraceEntry(str(key), rule.label, amount_fen, line.sku_id if line else None)
