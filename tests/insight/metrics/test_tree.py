"""What moved a figure: contributions add up to the change exactly, whatever the numbers."""

from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.insight.metrics.rules import tree
from siyu.insight.metrics.rules.figures import BY_KEY
from siyu.insight.metrics.rules.tree import ROOTS, SPLITS, Op, Split, apportion, grow, leaves

NUMBERS = st.integers(-50, 1_000).map(Fraction)
KEEP = {"a": Split(Op.PRODUCT, ("b", "c", "d")), "b": Split(Op.SUM, ("e", "f")),
        "c": Split(Op.SHARE, ("g", "h", "i")), "e": Split(Op.PRODUCT, ("j", "k"))}  # fmt: skip
LEAVES = "dfghijk"


def compute(key: str, given_: dict[str, Fraction]) -> Fraction:
    """A value from the leaves up."""
    if key not in KEEP:
        return given_[key]
    value = tree._value(KEEP[key].op, [compute(part, given_) for part in KEEP[key].parts])
    assert value is not None
    return value


def whole(numbers: list[Fraction]) -> dict[str, Fraction]:
    given_ = dict(zip(LEAVES, numbers, strict=True))
    # The whole of a share is counted in things: none are negative, and there is one.
    for n, key in enumerate("ghi"):
        given_[key] = abs(given_[key]) + (n == 0)
    return given_ | {key: compute(key, given_) for key in KEEP}


SEVEN = st.lists(NUMBERS, min_size=7, max_size=7)


@given(SEVEN, SEVEN)
def test_leaves_add_up_to_the_change_exactly(before, after):
    old, new = whole(before), whole(after)
    root = grow("a", old, new, KEEP)
    assert sum(leaf.moved for leaf in leaves(root)) == new["a"] - old["a"] == root.moved


@given(SEVEN, SEVEN)
def test_a_part_that_did_not_change_moved_nothing(before, after):
    after = [before[0], *after[1:]]
    root = grow("a", whole(before), whole(after), KEEP)
    assert next(leaf for leaf in leaves(root) if leaf.key == "d").moved == 0


@given(st.lists(NUMBERS, min_size=4, max_size=4), st.lists(NUMBERS, min_size=4, max_size=4))
def test_a_product_shares_its_change_as_shapley_says(before, after):
    expected = [Fraction(0)] * 4
    orders = list(permutations(range(4)))
    for order in orders:
        now = list(before)
        for n in order:
            was = tree._value(Op.PRODUCT, now)
            now[n] = after[n]
            expected[n] += (tree._value(Op.PRODUCT, now) - was) / len(orders)
    weights = tree.weights(Op.PRODUCT, before, after)
    found = [w * (b - a) for w, a, b in zip(weights, before, after, strict=True)]
    assert found == expected


def test_by_hand():
    """20 buyers of 1.5 orders of ¥10 become 30 of 1 of ¥12: +60 = +136.67 −138.33 +61.67."""
    names = ("buyers", "orders_per_buyer", "order_value")
    old = dict(zip(names, (Fraction(20), Fraction(3, 2), Fraction(10)), strict=True))
    new = dict(zip(names, (Fraction(30), Fraction(1), Fraction(12)), strict=True))
    splits = {"gmv": SPLITS["gmv"]}
    root = grow("gmv", old | {"gmv": Fraction(300)}, new | {"gmv": Fraction(360)}, splits)
    moved = [leaf.moved for leaf in leaves(root)]
    assert moved == [Fraction(410, 3), Fraction(-415, 3), Fraction(185, 3)]
    assert sum(moved) == 60


def test_a_share_of_old_and_new():
    """Repurchase 10 of 20 becomes 30 of 60: both parts tripled, and nothing moved in sum."""
    splits = {"repurchase": SPLITS["repurchase"]}
    names = ("repeat_buyers", "new_buyers", "repurchase")
    old = dict(zip(names, map(Fraction, (10, 10, "1/2")), strict=True))
    new = dict(zip(names, map(Fraction, (30, 30, "1/2")), strict=True))
    one, other = leaves(grow("repurchase", old, new, splits))
    assert one.moved == -other.moved == Fraction(1, 4)


def test_a_part_that_cannot_be_told_leaves_the_whole_undivided():
    old = {"a": Fraction(6), "b": Fraction(2), "c": None}
    splits = {"a": Split(Op.PRODUCT, ("b", "c"))}
    new = {"a": Fraction(8), "b": Fraction(2), "c": Fraction(4)}
    assert grow("a", old, new, splits).parts == []
    assert grow("a", old | {"a": None}, new, splits) is None
    # Nobody came before: the rate is taken as it is now, and all of the change is theirs.
    old = {"a": Fraction(0), "b": Fraction(0), "c": None}
    root = grow("a", old, new, splits)
    assert [(part.key, part.moved, part.before) for part in root.parts] == [
        ("b", 8, 0), ("c", 0, None),
    ]  # fmt: skip


def test_a_share_of_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing"):
        tree.weights(Op.SHARE, [Fraction(0)] * 2, [Fraction(1)] * 2)


@given(st.lists(st.fractions(-1_000, 1_000, max_denominator=97), min_size=1, max_size=9),
       st.integers(-1, 1))  # fmt: skip
def test_whole_units_add_up_and_stay_close(shares, more):
    target = round(sum(shares)) + more
    found = apportion(shares, target)
    assert sum(found) == target
    assert all(abs(one - share) < 3 for one, share in zip(found, shares, strict=True))


def test_every_tree_is_of_figures_of_the_catalogue():
    named = {*ROOTS, *SPLITS} | {part for split in SPLITS.values() for part in split.parts}
    assert named <= set(BY_KEY)
    assert set(ROOTS) <= set(SPLITS)
