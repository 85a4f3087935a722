"""The north-star tree: what a figure consists of, and what moved it, exactly.

A figure is a sum of its parts, their product, or the share of the first in their sum. Where parts
change together, each takes its mean effect over all orders in which they could have changed
(Shapley; nested, the Owen value of the tree). That effect is the part's change times a weight, so
it can be handed down: the leaves' contributions add up to the change of the root without a rest.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from itertools import combinations
from math import factorial, floor, prod

import msgspec

from siyu.insight.metrics.contracts import TreePart


class Op(StrEnum):
    """How parts make a figure."""

    SUM = "sum"
    PRODUCT = "product"
    SHARE = "share"
    """The first part of the sum of all."""


class Split(msgspec.Struct, frozen=True):
    """What a figure consists of: keys of figures."""

    op: Op
    parts: tuple[str, ...]


SPLITS: dict[str, Split] = {
    "turnover": Split(Op.SUM, ("gmv", "refunds")),
    "gmv": Split(Op.PRODUCT, ("buyers", "orders_per_buyer", "order_value")),
    "buyers": Split(Op.SUM, ("seen_buyers", "unseen_buyers")),
    "seen_buyers": Split(Op.PRODUCT, ("visitors", "conversion")),
    "visitors": Split(Op.SUM, ("new_visitors", "returning_visitors")),
    "conversion": Split(Op.PRODUCT, ("click_rate", "cart_rate", "checkout_rate")),
    "order_value": Split(Op.SUM, ("small_baskets", "middle_baskets", "large_baskets")),
    "active": Split(Op.SUM, ("newcomers", "returning")),
    "returning": Split(Op.PRODUCT, ("known", "activity")),
    "repurchase": Split(Op.SHARE, ("repeat_buyers", "new_buyers")),
    "repeat_buyers": Split(Op.PRODUCT, ("past_buyers", "return_rate")),
    "new_members": Split(Op.PRODUCT, ("visitors", "registration")),
}
ROOTS = ("gmv", "turnover", "active", "repurchase", "order_value", "conversion", "new_members")
"""What may be chosen as north star."""
_PARTS: dict[TreePart, frozenset[str]] = {
    "acquisition": frozenset({"new_visitors", "newcomers", "new_buyers", "visitors", "registration",
                              "new_members", "unseen_buyers"}),
    "activity": frozenset({"returning_visitors", "returning", "known", "activity", "active",
                           "past_buyers", "orders_per_buyer", "return_rate", "repeat_buyers",
                           "repurchase"}),
}  # fmt: skip


def part_of(key: str) -> TreePart:
    """Which of acquisition, activity and conversion a figure belongs to."""
    return next((part for part, keys in _PARTS.items() if key in keys), "conversion")


class Node(msgspec.Struct, frozen=True):
    """A figure of the tree. before, after: None where nothing could be divided.

    moved: what its change did to the root, in the root's own unit.
    """

    key: str
    op: Op | None
    before: Fraction | None
    after: Fraction | None
    moved: Fraction
    parts: list["Node"]


Values = Mapping[str, Fraction | None]


def grow(
    root: str, before: Values, after: Values, splits: Mapping[str, Split] = SPLITS
) -> Node | None:
    """The tree under a root; None when the root itself is unknown in either period."""
    return _grow(root, before, after, Fraction(1), splits) if _both(root, before, after) else None


def _both(key: str, before: Values, after: Values) -> bool:
    return before[key] is not None and after[key] is not None


def _grow(
    key: str, before: Values, after: Values, weight: Fraction, splits: Mapping[str, Split]
) -> Node:
    was, now = before[key], after[key]
    moved = weight * (now - was) if was is not None and now is not None else Fraction(0)
    split = splits.get(key)
    if split is None or was is None or now is None:
        return Node(key, None, was, now, moved, [])
    pairs = [_pair(before[part], after[part]) for part in split.parts]
    olds, news = [old for old, _ in pairs], [new for _, new in pairs]
    if _value(split.op, olds) != was or _value(split.op, news) != now:
        # A part that could not be measured does not explain the whole: leave it undivided.
        return Node(key, None, was, now, moved, [])
    parts = []
    for part, old, new, own in zip(
        split.parts, olds, news, weights(split.op, olds, news), strict=True
    ):
        filled = {**before, part: old}, {**after, part: new}
        grown = _grow(part, *filled, weight * own, splits)
        parts.append(msgspec.structs.replace(grown, before=before[part], after=after[part]))
    return Node(key, split.op, was, now, moved, parts)


def _pair(old: Fraction | None, new: Fraction | None) -> tuple[Fraction, Fraction]:
    """A rate that cannot be told for one period has, for all we know, not changed."""
    if old is None:
        old = new if new is not None else Fraction(0)
    return old, new if new is not None else old


def _value(op: Op, parts: Sequence[Fraction]) -> Fraction | None:
    if op is Op.SUM:
        return sum(parts, Fraction(0))
    if op is Op.PRODUCT:
        return prod(parts, start=Fraction(1))
    whole = sum(parts, Fraction(0))
    return parts[0] / whole if whole else None


def weights(op: Op, before: Sequence[Fraction], after: Sequence[Fraction]) -> list[Fraction]:
    """How much a unit of each part's change moves the figure: Σ weight × change is its change.

    Raises ValueError where a share has no whole in either period.
    """
    if op is Op.SUM:
        return [Fraction(1)] * len(before)
    if op is Op.PRODUCT:
        return [_product_weight(n, before, after) for n in range(len(before))]
    return _share_weights(before, after)


def _product_weight(n: int, before: Sequence[Fraction], after: Sequence[Fraction]) -> Fraction:
    """The mean product of the other factors over all orders of change."""
    others = [m for m in range(len(before)) if m != n]
    total = Fraction(0)
    for size in range(len(others) + 1):
        share = Fraction(factorial(size) * factorial(len(others) - size), factorial(len(before)))
        for changed in combinations(others, size):
            factors = (after[m] if m in changed else before[m] for m in others)
            total += share * prod(factors, start=Fraction(1))
    return total


def _share_weights(before: Sequence[Fraction], after: Sequence[Fraction]) -> list[Fraction]:
    """For a / (a + rest): the rest changes as one, and its parts share what it does."""
    a0, a1 = before[0], after[0]
    r0, r1 = sum(before[1:], Fraction(0)), sum(after[1:], Fraction(0))
    if not a0 + r0 or not a1 + r1:
        raise ValueError("a share of nothing")

    def share(a: Fraction, rest: Fraction) -> Fraction:
        # Half of both, half of none: nothing is known of a whole that never was.
        return a / (a + rest) if a + rest else Fraction(1, 2)

    own = (share(a1, r0) - share(a0, r0) + share(a1, r1) - share(a0, r1)) / 2
    others = (share(a0, r1) - share(a0, r0) + share(a1, r1) - share(a1, r0)) / 2
    first = own / (a1 - a0) if a1 != a0 else Fraction(0)
    rest = others / (r1 - r0) if r1 != r0 else Fraction(0)
    return [first, *([rest] * (len(before) - 1))]


def leaves(node: Node) -> list[Node]:
    """The nodes that are not divided, from left to right."""
    return [leaf for part in node.parts for leaf in leaves(part)] if node.parts else [node]


def apportion(shares: Sequence[Fraction], whole: int) -> list[int]:
    """Whole numbers as close to the shares as adding up to `whole` allows (largest remainders).

    `whole` lies within one of the shares' sum per share, as the sum rounded by any rule does.
    """
    down = [floor(share) for share in shares]
    left = whole - sum(down)
    order = sorted(range(len(shares)), key=lambda n: (down[n] - shares[n], n))
    for n in range(abs(left)):
        down[order[n % len(order)] if left > 0 else order[-1 - n % len(order)]] += (
            1 if left > 0 else -1
        )
    return down
