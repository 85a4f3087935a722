"""One rule, three ways: everybody at once, one person at a time, and plain Python; the same."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.profiles.contracts import Condition, FieldRule
from siyu.people.profiles.rules import fits
from siyu.people.segments import rules
from siyu.people.segments.contracts import (
    All,
    AnyOf,
    FieldIs,
    Filter,
    Foremost,
    Inside,
    Largest,
    Not,
    OnTier,
    Rule,
    Spent,
    StepBody,
    Tagged,
    Then,
    Times,
)
from siyu.people.segments.rules import bits_of, blocks_of, joined, numbers_of
from siyu.people.segments.service import counting, judging
from siyu.warehouse.engines.rules import to_us
from siyu.warehouse.tail.contracts import Batch, TailEvent
from tests.warehouse.conftest import warehouse
from tests.warehouse.support import write

__all__ = ["warehouse"]
NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
DAY_US = 86_400_000_000
NAMES = ("behaviour.view", "behaviour.cart", "ordering.order_paid")
TAGS = [UUID(int=n) for n in (1, 2)]
PERSONS = st.integers(1, 6)

steps = st.builds(
    StepBody,
    event=st.sampled_from([*NAMES, "any.order", "any.visit"]),
    where=st.lists(
        st.sampled_from(
            [
                Filter(prop="amount_fen", op="ge", value=500),
                Filter(prop="page", op="eq", value="/p/a"),
                Filter(prop="kind", op="ne", value="a"),
                Filter(prop="zone", op="in", value=["z1", "z2"]),
            ]
        ),
        max_size=1,
    ),
)
days = st.sampled_from([None, 3, 10])
conditions = st.sampled_from(
    [
        Condition(field="orders", op="ge", value=1),
        Condition(field="orders", op="le", value=2),
        Condition(field="orders", op="eq", value=0),
        Condition(field="orders_avg_fen", op="ge", value=500),
        Condition(field="orders_avg_fen", op="unknown"),
        Condition(field="orders", op="known"),
        Condition(field="phone", op="eq", value=False),
        Condition(field="phone", op="ne", value=False),
        Condition(field="rfm_class", op="eq", value="A"),
        Condition(field="rfm_class", op="in", value=["A", "B"]),
        Condition(field="rfm_class", op="ne", value="A"),
        Condition(field="items_list_band", op="in", value=["x"]),
        Condition(field="orders_last_on", op="days_le", value=5),
        Condition(field="orders_last_on", op="days_ge", value=5),
    ]
)
leaves = st.one_of(
    st.builds(Times, step=steps, op=st.sampled_from(["ge", "le", "eq"]), n=st.integers(0, 3),
              days=days),
    st.builds(Spent, step=steps, op=st.sampled_from(["ge", "le"]),
              fen=st.sampled_from([0, 1, 500, 1_500]), days=days),
    st.builds(Largest, step=steps, percent=st.sampled_from([1, 30, 100]), days=days),
    st.builds(Then, first=steps, then=steps, within=st.integers(1, 3), done=st.booleans(),
              days=st.sampled_from([4, 10])),
    st.builds(FieldIs, test=conditions),
    st.builds(Foremost, field=st.sampled_from(["orders", "net_fen"]),
              percent=st.sampled_from([1, 30, 100])),
    st.builds(Tagged, tag_id=st.sampled_from(TAGS)),
    st.builds(OnTier, ladder=st.sampled_from(["tier", "life"]),
              keys=st.lists(st.sampled_from(["loyal", "new"]), min_size=1, max_size=2)),
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(All, parts=st.lists(inner, min_size=1, max_size=3)),
        st.builds(AnyOf, parts=st.lists(inner, min_size=1, max_size=3)),
        st.builds(Not, part=inner),
    ),
    max_leaves=4,
)
deeds = st.tuples(
    PERSONS,
    st.sampled_from([*NAMES, "custom.else"]),
    # Also at the very edges of windows.
    st.one_of(st.integers(1, 12 * 24).map(lambda h: h * 3_600_000_000),
              st.sampled_from([3 * DAY_US, 10 * DAY_US, DAY_US, 4 * DAY_US])),
    st.sampled_from([-300, 0, 400, 500, 1_500]),
    st.sampled_from(["/p/a", "/p/b", ""]),
    st.sampled_from([None, {"kind": "a"}, {"kind": "b"}, {"zone": "z1"}]),
)  # fmt: skip
fields = st.fixed_dictionaries(
    {},
    optional={
        "orders": st.integers(0, 3),
        "orders_avg_fen": st.sampled_from([100, 500]),
        "net_fen": st.sampled_from([-5, 0, 10, 20]),
        "phone": st.booleans(),
        "rfm_class": st.sampled_from(["A", "B", "C"]),
        "items_list_band": st.sampled_from([["x"], ["y", "x"], ["y"], []]),
        "orders_last_on": st.sampled_from(["2026-03-20", "2026-03-15", "2026-03-14"]),
    },
)
profiles = st.fixed_dictionaries(
    {
        "fields": fields,
        "tier": st.sampled_from([None, "loyal"]),
        "life": st.sampled_from([None, "new", "lost"]),
        "tags": st.sets(st.sampled_from(TAGS)),
    }
)


class Story(msgspec.Struct):
    """Persons 1-6; 6 may turn out to be 5."""

    deeds: list[tuple[int, str, int, int, str, dict[str, str] | None]]
    profiles: dict[int, dict[str, Any]]
    joined: bool


stories = st.builds(
    Story,
    deeds=st.lists(deeds, min_size=1, max_size=25),
    profiles=st.dictionaries(st.integers(1, 5), profiles, max_size=5),
    joined=st.booleans(),
)


async def tell(shop: int, story: Story) -> None:
    rows = [
        TailEvent(
            shop_id=shop, person_no=person, at_us=to_us(NOW) - ago, name=name, channel="h5",
            amount_fen=fen, page=page, props=props,
        )
        for person, name, ago, fen, page, props in story.deeds
    ]  # fmt: skip
    if story.joined:
        joining = {"name": "members.person_joined", "props": {"joined_person_no": 6}}
        at_us = to_us(NOW) - 1
        rows.append(TailEvent(shop_id=shop, person_no=5, at_us=at_us, channel="h5", **joining))
    await write(Batch(source=shop, batch_key=uuid4(), events=rows))
    async with transaction(shop) as tx:
        for tag in TAGS:
            await tx.run(
                """insert into profiles.tags values ($1, $2, $3, 'basic', '', '{"kind":"manual"}',
                   'x', $4, $4)""",
                *(shop, tag, str(tag)[-6:], NOW),
            )
        for number, one in story.profiles.items():
            await tx.run(
                "insert into profiles.people values ($1, $2, $3, $4, $5, null, $6)",
                *(shop, number, one["fields"], one["tier"], one["life"], NOW),
            )
            for tag in one["tags"]:
                await tx.run(
                    "insert into profiles.tagged values ($1, $2, $3, null, 'x', $4)",
                    *(shop, number, tag, NOW),
                )
        if story.joined:
            await tx.run(
                "insert into profiles.states values ($1, 6, 5, 5, '{}'), ($1, 5, 5, null, '{}')",
                shop,
            )


def plainly(story: Story, rule: Rule) -> set[int]:
    """The meaning of a rule, without any of the program's ways to find it."""
    who = lambda no: 5 if no == 6 and story.joined else no  # noqa: E731
    own: dict[int, list[Any]] = {}
    for deed in sorted(story.deeds, key=lambda deed: -deed[2]):
        own.setdefault(who(deed[0]), []).append(deed)
    everybody = own.keys() | story.profiles.keys() | ({5} if story.joined else set())

    def matches(deed: Any, step: StepBody) -> bool:
        _, name, _, fen, page, props = deed
        names = {"any.order": ("ordering.order_paid",), "any.visit": NAMES[:2]}
        if name not in names.get(step.event, (step.event,)):
            return False
        if step.event == "any.order" and fen < 0:
            return False
        props = props or {}
        for one in step.where:
            ok = {
                "amount_fen": fen >= 500,
                "page": page == "/p/a",
                "kind": props.get("kind", "a") != "a",
                "zone": props.get("zone") in ("z1", "z2"),
            }[one.prop]
            if not ok:
                return False
        return True

    def inside(no: int, step: StepBody, window: int | None) -> list[Any]:
        return [
            d for d in own.get(no, [])
            if (window is None or d[2] <= window * DAY_US) and matches(d, step)
        ]  # fmt: skip

    def top(figures: dict[int, int], percent: int, no: int) -> bool:
        good = [v for v in figures.values() if v > 0]
        mine = figures.get(no, 0)
        return mine > 0 and sum(v > mine for v in good) * 100 < percent * len(good)

    def holds(rule: Rule, no: int) -> bool:
        profile = story.profiles.get(no, {"fields": {}, "tier": None, "life": None, "tags": set()})
        match rule:
            case All():
                return all(holds(part, no) for part in rule.parts)
            case AnyOf():
                return any(holds(part, no) for part in rule.parts)
            case Not():
                return not holds(rule.part, no)
            case Times():
                n = len(inside(no, rule.step, rule.days))
                return {"ge": n >= rule.n, "le": n <= rule.n, "eq": n == rule.n}[rule.op]
            case Spent():
                fen = sum(d[3] for d in inside(no, rule.step, rule.days))
                return fen >= rule.fen if rule.op == "ge" else fen <= rule.fen
            case Largest():
                sums = {p: sum(d[3] for d in inside(p, rule.step, rule.days)) for p in own}
                return top(sums, rule.percent, no)
            case Then():
                wait = 0 if rule.done else rule.within * DAY_US
                order = own.get(no, [])
                begun = [
                    d for d in order
                    if matches(d, rule.first) and wait < d[2] <= rule.days * DAY_US
                ]  # fmt: skip
                followed = any(
                    matches(later, rule.then) and first[2] - later[2] <= rule.within * DAY_US
                    for n, first in enumerate(order)
                    if first in begun
                    for later in order[n + 1 :]
                )
                return bool(begun) and followed == rule.done
            case FieldIs():
                return fits(FieldRule(conditions=[rule.test]), profile["fields"], NOW.date())
            case Foremost():
                known = {n: p["fields"].get(rule.field, 0) for n, p in story.profiles.items()}
                return top(known, rule.percent, no)
            case Tagged():
                return rule.tag_id in profile["tags"]
            case OnTier():
                return profile[rule.ladder] in rule.keys
        raise AssertionError(rule)

    return {no for no in everybody if holds(rule, no)}


async def a_shop() -> ShopId:
    async with system_transaction() as tx:
        made = await shops.create_shop(tx, System(), code=f"s{uuid4().hex[:12]}", name="例")
    return ShopId(made.shop_id)


@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
@given(story=stories, wanted=st.lists(trees, min_size=3, max_size=6))
async def test_everybody_at_once_one_by_one_and_plainly_are_the_same(warehouse, story, wanted):
    with clock.turned(NOW):
        shop = await a_shop()
        await tell(shop, story)
        for rule in wanted:
            assert rules.read(msgspec.to_builtins(rule)) == rule
        found = await counting.judge_everybody(shop, wanted, NOW)
        plain = [plainly(story, rule) for rule in wanted]
        assert [set(numbers_of(one.bits)) for one in found] == plain
        ground = await judging.someones(shop, range(1, 7), wanted, NOW)
        there = {no for rule in (Not(part=wanted[0]), wanted[0]) for no in plainly(story, rule)}
        for rule, audience, expected in zip(wanted, found, plain, strict=True):
            moment = judging.moment_of(ground, audience.bars)
            one_by_one = {
                number
                for number in there
                if rules.judge(rule, ground.people[ground.roots[number]], moment)
            }
            assert one_by_one == expected


@given(st.sets(st.integers(1, 60_000), max_size=200))
def test_sets_are_bits_and_blocks(numbers):
    bits = bits_of(list(numbers))
    assert numbers_of(bits) == sorted(numbers)
    assert bits.bit_count() == len(numbers)
    blocks = list(blocks_of(bits))
    assert joined(blocks) == bits
    assert all(len(block) == 2_048 and any(block) for _, block in blocks)
    assert [no for no, _ in blocks] == sorted({number // 16_384 for number in numbers})


def test_a_rule_of_former_times_is_read():
    step = {"event": "any.order", "where": []}
    old = {
        "match": "any",
        "conditions": [
            {"kind": "times", "step": step, "op": "ge", "n": 2, "days": 30},
            {"kind": "largest", "step": step, "percent": 20, "days": None},
        ],
    }
    body = StepBody(event="any.order")
    assert rules.read(old) == AnyOf(
        parts=[Times(step=body, op="ge", n=2, days=30), Largest(step=body, percent=20)]
    )


@pytest.mark.parametrize(
    ("sums", "percent", "bar"),
    [
        ([], 50, None), ([0, -5], 50, None), ([1, 2, 3, 4], 50, 3), ([1, 2, 3, 4], 51, 2),
        ([4, 4, 4, 1], 1, 4), ([1, 2, 3, 4], 100, 1), ([7], 1, 7),
    ],
)  # fmt: skip
def test_the_bar_of_a_top_share(sums, percent, bar):
    assert rules.bar_of(sums, percent) == bar


ORDER, CART = StepBody(event="any.order"), StepBody(event="behaviour.cart")
NAMED = {
    "zh-CN": rules.Names(
        "zh-CN", {"behaviour.cart": "点加入购物车"}, {TAGS[0]: "高消费"}, {TAGS[1]: "老客"},
        {"tier.loyal": "忠诚用户"},
    ),
    "en": rules.Names(
        "en", {"behaviour.cart": "Add to cart tapped"}, {TAGS[0]: "Big spender"},
        {TAGS[1]: "Regulars"}, {"tier.loyal": "Loyal"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "zh", "en"),
    [
        (Times(step=ORDER, op="ge", n=2, days=30), "近 30 天「下单购买」至少 2 次",
         "an order at least 2 times in the last 30 days"),
        (Times(step=CART, op="eq", n=0, days=7), "近 7 天没有「点加入购物车」",
         "no “Add to cart tapped” in the last 7 days"),
        (Spent(step=ORDER, op="ge", fen=20_050, days=None), "有史以来「下单购买」累计满 200.50 元",
         "orders of at least ¥200.50 in all ever"),
        (Largest(step=StepBody(event="any.order", where=[
            Filter(prop="page", op="eq", value="/pages/cart/cart")]), percent=20, days=30),
         "近 30 天「下单购买」（页面 = 购物车）金额排前 20%",
         "top 20% by amount of orders (page = cart) in the last 30 days"),
        (Then(first=CART, then=ORDER, within=3, done=False, days=30),
         "近 30 天有「点加入购物车」，之后 3 天内没有「下单购买」",
         "“Add to cart tapped” in the last 30 days, but not an order within 3 days after"),
        (Not(part=Tagged(tag_id=TAGS[0])), "没有标签「高消费」", "without the tag “Big spender”"),
        (All(parts=[OnTier(ladder="tier", keys=["loyal"]),
                    AnyOf(parts=[Inside(segment_id=TAGS[1]),
                                 FieldIs(test=Condition(field="orders", op="ge", value=3))])]),
         "运营分层是忠诚用户，且（在人群「老客」中，或支付订单次数 ≥ 3）",
         "the tier is Loyal, and (in the segment “Regulars”, or orders paid, times ≥ 3)"),
    ],
)  # fmt: skip
def test_rules_in_words(rule, zh, en):
    assert rules.sentence(rule, NAMED["zh-CN"]) == zh
    assert rules.sentence(rule, NAMED["en"]) == en
