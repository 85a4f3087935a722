"""The north star: choosing it, and what moved it."""

from fractions import Fraction

import msgspec

from siyu.insight.metrics import queries
from siyu.insight.metrics.contracts import ChoiceView, NodeView, NorthStarView, NotANorthStar
from siyu.insight.metrics.queries import Choice
from siyu.insight.metrics.rules import periods, tree
from siyu.insight.metrics.rules.figures import BY_KEY
from siyu.insight.metrics.rules.periods import Run, runs
from siyu.insight.metrics.rules.tree import ROOTS, SPLITS, Node
from siyu.insight.metrics.service import measuring
from siyu.insight.metrics.service.keeping import Answers
from siyu.insight.metrics.service.measuring import Counted
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId

_FIRST = Choice(ROOTS[0], None)
_IN_TREES = tuple(
    BY_KEY[key]
    for key in dict.fromkeys([*ROOTS, *SPLITS, *(p for s in SPLITS.values() for p in s.parts)])
)


class _Asked(msgspec.Struct, frozen=True):
    shop_id: ShopId
    time_zone: str
    days: int


class Pair(msgspec.Struct, frozen=True):
    """Two runs of days and what was counted in them."""

    before: Run
    after: Run
    counted_before: Counted
    counted_after: Counted


async def _measure(asked: _Asked) -> Pair:
    last = await measuring.last_day(asked.shop_id, asked.time_zone)
    both = runs(last, 2, asked.days)
    [[old, new]] = await measuring.count(asked.shop_id, asked.time_zone, both, _IN_TREES)
    return Pair(both[0], both[1], old, new)


pairs_of = Answers(_measure)


async def get_choice(tx: ReadTx) -> Choice:
    """What the shop steers by."""
    return await queries.get_choice(tx) or _FIRST


async def choose(tx: Tx, actor: Actor, key: str, goal: int | None) -> Choice:
    """Choose the north star, and what is wanted of it. Raises NotANorthStar."""
    if key not in ROOTS:
        raise NotANorthStar(key=key)
    before, choice = await get_choice(tx), Choice(key, goal)
    await queries.set_choice(tx, choice, clock.now())
    audit(
        tx,
        actor,
        "metrics.north_star_chosen",
        ("shop", tx.shop_id),
        before={"key": before.key, "goal": before.goal},
        after={"key": key, "goal": goal},
    )
    return choice


async def get_north_star(
    shop_id: ShopId, time_zone: str, choice: Choice, language: Language, *, key: str, days: int
) -> NorthStarView:
    """The tree of a figure: the last `days` whole days against those before. Raises NotANorthStar.

    Contributions are exact; shown in whole units they still add up to the change shown.
    """
    if key not in ROOTS:
        raise NotANorthStar(key=key)
    pair = await pairs_of.get(_Asked(shop_id, time_zone, days))
    olds = {one.key: pair.counted_before.exact(one) for one in _IN_TREES}
    news = {one.key: pair.counted_after.exact(one) for one in _IN_TREES}
    root = tree.grow(key, olds, news)
    return NorthStarView(
        key=key,
        chosen=choice.key,
        goal=choice.goal if choice.key == key else None,
        days=days,
        since=pair.after.first,
        until=pair.after.last,
        since_before=pair.before.first,
        until_before=pair.before.last,
        nodes=_shown(root, language) if root else [],
        choices=[
            ChoiceView(one.key, one.label.of(language), one.unit, one.definition.of(language))
            for one in map(BY_KEY.__getitem__, ROOTS)
        ],
    )


def _rounded(value: Fraction | None, scale: int) -> int | None:
    return None if value is None else periods.ratio(value.numerator, value.denominator, scale)


def _shown(root: Node, language: Language) -> list[NodeView]:
    """The nodes in tree order, everything in whole units of its figure."""
    scale = BY_KEY[root.key].scale
    ends = tree.leaves(root)
    whole = (_rounded(root.after, scale) or 0) - (_rounded(root.before, scale) or 0)
    whole_moves = tree.apportion([leaf.moved * scale for leaf in ends], whole)
    moves = {id(leaf): move for leaf, move in zip(ends, whole_moves, strict=True)}
    views: list[NodeView] = []

    def walk(node: Node, parent: int | None, depth: int) -> None:
        figure, at = BY_KEY[node.key], len(views)
        before, after = _rounded(node.before, figure.scale), _rounded(node.after, figure.scale)
        views.append(
            NodeView(
                key=node.key,
                label=figure.label.of(language),
                unit=figure.unit,
                part=tree.part_of(node.key),
                parent=parent,
                depth=depth,
                op=node.op.value if node.op else None,
                before=before,
                after=after,
                change_bps=periods.trend_bps(after, before),
                moved=sum(moves[id(leaf)] for leaf in tree.leaves(node)),
                definition=figure.definition.of(language),
            )
        )
        for part in node.parts:
            walk(part, at, depth + 1)

    walk(root, None, 0)
    return views
