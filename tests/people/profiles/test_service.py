"""Profiles against a real database: events in, profiles out, and the same from all events anew."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, system_transaction, transaction
from siyu.people.members import service as members
from siyu.people.members.contracts import ImportRow
from siyu.people.profiles import queries, rules, service
from siyu.people.profiles.background import count_visits, keep_profiles
from siyu.people.profiles.contracts import (
    ByHand,
    ByRule,
    ByScore,
    Condition,
    FieldRule,
    NotByHand,
    TagDraft,
    TagGroup,
    TagNameTaken,
    TagNotFound,
    VersionPassed,
)
from siyu.people.profiles.invariants import INVARIANTS
from siyu.people.profiles.service.tagging import make_default_tags
from siyu.warehouse.engines.rules import to_us
from siyu.warehouse.tail.contracts import Batch, TailEvent
from tests.warehouse.conftest import warehouse
from tests.warehouse.support import write

__all__ = ["warehouse"]
NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ME = System(actor_name="小店员")


@pytest.fixture(autouse=True)
async def noon(database):
    with clock.turned(NOW):
        yield
    async with system_transaction() as tx:
        for name, sql in INVARIANTS.items():
            assert not await tx.connection.fetch(sql), name


async def tell(shop, *events: tuple[str, datetime, dict]) -> None:
    async with transaction(shop) as tx:
        for name, at, payload in events:
            tx.add_event(name, payload, at)


async def settle(shop) -> None:
    while await service.take_events(settled=False):
        pass
    while await service.refresh(shop):
        pass


async def person(shop, person_no: int) -> queries.PersonRow | None:
    async with reading(shop) as tx:
        found = await queries.list_people(tx, [person_no])
    return found[0] if found else None


async def states(shop) -> list[tuple]:
    async with reading(shop) as tx:
        rows = await tx.connection.fetch(
            """select person_no, root_no, parent_no, measures from profiles.states
               where shop_id = $1 and (measures <> '{}' or parent_no is not null) order by 1""",
            shop,
        )
    return [tuple(row) for row in rows]


async def fields(shop) -> list[tuple]:
    async with reading(shop) as tx:
        rows = await tx.connection.fetch(
            """select person_no, fields, tier, life from profiles.people
               where shop_id = $1 and fields <> '{}' order by 1""",
            shop,
        )
    return [tuple(row) for row in rows]


def paid(person_no: int, fen: int, **more: object) -> dict:
    return {
        "person_no": person_no, "order_id": str(uuid4()), "order_no": "1", "amount_fen": fen,
        "lines": [{"product_no": 1 + fen % 3, "quantity": 1, "total_fen": fen}], **more,
    }  # fmt: skip


def login(person_no: int) -> dict:
    return {"person_no": person_no, "member_id": str(uuid4()), "platform": "h5"}


def random_events(dice: random.Random, size: int) -> list[tuple[str, datetime, dict]]:
    """Late ones, reordered ones, joins and what undoes them."""
    found = []
    for _ in range(size):
        who, other = dice.sample(range(1, 8), 2)
        at = NOW - timedelta(seconds=dice.randrange(200 * 86_400))
        name, payload = dice.choice((
            ("ordering.order_paid", paid(who, dice.randrange(50_000))),
            ("members.member_logged_in", login(who)),
            ("gifting.gift_accepted", {"person_no": who, "giver_no": other, "product_no": 1,
                                       "is_new_customer": dice.random() < 0.5}),
            ("coupons.coupon_claimed", {"person_no": who, "issue": "centre", "amount_fen": 100}),
            ("ordering.order_refunded", {"person_no": who, "amount_fen": -9, "refunded_fen": 9}),
            ("ordering.order_cancelled", {"person_no": who, "amount_fen": 5, "reason": "late"}),
        ))  # fmt: skip
        found.append((name, at, payload))
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_a_rebuild_gives_what_came_bit_by_bit(warehouse, shop, seed):
    dice = random.Random(seed)
    events = random_events(dice, 60)
    # A join is told once its time has come; the pairs grow so that no circle can be told.
    joins = [(4, 2), (2, 1), (7, 5), (7, 7)]
    for place, (joined, into) in enumerate(joins):
        told = {"person_no": into, "joined_person_no": joined}
        events.insert((place + 1) * 12, ("members.person_joined", NOW + place * DAY / 99, told))
    while events:
        cut = dice.randrange(1, 20)
        await tell(shop, *events[:cut])
        del events[:cut]
        await service.take_events(settled=False)
        if dice.random() < 0.5:
            await settle(shop)
    await settle(shop)
    before, profiles = await states(shop), await fields(shop)
    roots = {row[0]: row[1] for row in before}
    assert [roots.get(number) for number in (4, 2, 7)] == [1, 1, 7]
    assert await service.rebuild(shop, settled=False) > 0
    await settle(shop)
    assert await states(shop) == before
    assert await fields(shop) == profiles


async def test_a_rebuild_stands_where_the_cursor_stands(warehouse, shop):
    await tell(shop, ("ordering.order_paid", NOW, paid(1, 100)))
    await service.rebuild(shop, settled=False)
    await tell(shop, ("ordering.order_paid", NOW, paid(1, 50)))
    await settle(shop)
    found = await person(shop, 1)
    assert found is not None and (found.fields["orders"], found.fields["orders_fen"]) == (2, 150)
    assert await service.take_events(settled=False) == 0


async def test_tiers_move_with_events_and_with_days(shop):
    member = {"person_no": 1, "member_id": str(uuid4()), "source": "h5"}
    await tell(shop, ("members.member_joined", NOW - 40 * DAY, member),
               ("members.member_logged_in", NOW, login(1)))  # fmt: skip
    await settle(shop)
    first = await person(shop, 1)
    assert first is not None and (first.tier, first.life) == (None, "active")
    await tell(shop, *[("members.member_logged_in", NOW, login(1))] * 2)
    await settle(shop)
    assert (await person(shop, 1)).tier == "active"
    await tell(shop, *[("ordering.order_paid", NOW, paid(1, 100))] * 5)
    await settle(shop)
    assert (await person(shop, 1)).tier == "loyal"
    for days, tier, life in ((29, "loyal", "active"), (30, "silent", "active"),
                             (31, "silent", "dormant"), (91, "silent", "lost")):  # fmt: skip
        with clock.turned(NOW + days * DAY):
            await settle(shop)
            found = await person(shop, 1)
        assert (found.tier, found.life) == (tier, life), days
    assert "logins_90d" not in found.fields and found.fields["logins"] == 3
    async with reading(shop) as tx:
        moves = await queries.list_moves(tx, 1, 10)
        told = await tx.connection.fetch(
            """select payload from kernel.outbox
               where shop_id = $1 and name = 'profiles.tier_changed'""",
            shop,
        )
    assert [(move.ladder, move.before, move.after) for move in reversed(moves)] == [
        ("life", None, "active"), ("tier", None, "active"), ("tier", "active", "loyal"),
        ("tier", "loyal", "silent"), ("life", "active", "dormant"), ("life", "dormant", "lost"),
    ]  # fmt: skip
    # Nobody moved when the shop got to know them.
    assert len(told) == len(moves) - 1


async def test_new_rules_judge_everybody_and_keep_their_history(shop):
    await tell(shop, ("ordering.order_paid", NOW, paid(1, 100)))
    await settle(shop)
    once = rules.DEFAULT_TIERS.tier[2]
    once = type(once)(key="bought", zh="买过", en="Bought", rule=FieldRule(
        conditions=[Condition(field="orders", op="ge", value=1)]))  # fmt: skip
    changed = type(rules.DEFAULT_TIERS)(tier=[once], life=rules.DEFAULT_TIERS.life)
    async with transaction(shop) as tx:
        made = await service.set_rules(tx, ME, changed, 0, "一次就算")
    assert (made.version, made.made_by) == (1, "小店员")
    with pytest.raises(VersionPassed):
        async with transaction(shop) as tx:
            await service.set_rules(tx, ME, changed, 0, "")
    await settle(shop)
    assert (await person(shop, 1)).tier == "bought"
    async with reading(shop) as tx:
        assert [one.version for one in await service.list_rules(tx)] == [1, 0]


async def visit(shop, person_no: int, days_ago: float, name: str = "view", **more: object) -> None:
    row = TailEvent(
        shop_id=shop, person_no=person_no, at_us=to_us(NOW - days_ago * DAY),
        name=f"behaviour.{name}", channel="h5", page="pages/home/home",
        **{key: value for key, value in more.items() if key != "props"},
        props=more.get("props"),
    )  # fmt: skip
    await write(Batch(source=shop, batch_key=uuid4(), events=[row]))


async def begin(shop) -> None:
    async with transaction(shop) as tx:
        await queries.set_rebuilt(tx, NOW)


async def test_visits_are_counted_and_slide_out(warehouse, shop):
    await begin(shop)
    assert await service.count_visits(shop) == 0
    for days in (0.1, 0.2, 8, 200):
        await visit(shop, 3, days)
    await visit(shop, 3, 0.1, "dwell", props={"dwell_ms": 700})
    assert await service.count_visits(shop) == 1
    assert await service.count_visits(shop) == 0
    await settle(shop)
    found = await person(shop, 3)
    wanted = {"views": 4, "views_7d": 2, "views_30d": 3, "home": 4, "in_h5": 5, "dwell": 700,
              "visits": 3, "visits_last_on": "2026-03-20"}  # fmt: skip
    assert {key: found.fields.get(key) for key in wanted} == wanted
    assert (found.tier, found.life) == ("potential", None)
    with clock.turned(NOW + 7 * DAY):
        assert await service.count_visits(shop) == 1
        await settle(shop)
        found = await person(shop, 3)
    assert ("views_7d" in found.fields, found.fields["views"]) == (False, 4)


async def test_withdrawn_consent_clears_behaviour_and_keeps_it_away(warehouse, shop):
    await begin(shop)
    await visit(shop, 1, 1)
    await service.count_visits(shop)
    decided = {"person_no": 1, "purpose": "analytics", "text_version": "1", "granted": False}
    await tell(shop, ("ordering.order_paid", NOW, paid(1, 100)),
               ("consents.consent_decided", NOW, decided))  # fmt: skip
    await settle(shop)
    found = await person(shop, 1)
    assert not found.fields.keys() & rules.VISITS_FIELDS and found.fields["orders"] == 1
    await service.count_visits(shop, anew=True)
    await settle(shop)
    assert not (await person(shop, 1)).fields.keys() & rules.VISITS_FIELDS
    await tell(shop, ("consents.consent_decided", NOW + DAY / 99, decided | {"granted": True}))
    await settle(shop)
    await service.count_visits(shop, anew=True)
    assert (await person(shop, 1)).fields["views"] == 1


async def test_what_a_visitor_did_is_the_members_and_is_theirs_again(shop):
    await tell(shop, ("members.member_logged_in", NOW, login(1)),
               ("ordering.order_paid", NOW, paid(2, 100)))  # fmt: skip
    await settle(shop)
    joined = {"person_no": 1, "joined_person_no": 2}
    await tell(shop, ("members.person_joined", NOW, joined))
    await settle(shop)
    assert (await person(shop, 1)).fields["orders"] == 1 and await person(shop, 2) is None
    await tell(shop, ("members.person_joined", NOW, joined | {"person_no": 2}))
    await settle(shop)
    assert "orders" not in (await person(shop, 1)).fields
    assert (await person(shop, 2)).fields["orders"] == 1


# --- tags -------------------------------------------------------------------------------------


def draft(name: str, making: object = None) -> TagDraft:
    return TagDraft(name=name, group=TagGroup.VALUE, making=making or ByHand())  # type: ignore[arg-type]


RULED = ByRule(rule=FieldRule(conditions=[Condition(field="orders", op="ge", value=1)]))


async def tags_of(shop, person_no: int) -> dict[str, int | None]:
    async with reading(shop) as tx:
        return {tag.name: tag.score for tag in await queries.list_person_tags(tx, person_no)}


async def test_tags_by_hand_by_rule_and_by_score(shop):
    scored = ByScore(deeds={"logins": 8}, half_life_days=10, threshold=5)
    async with transaction(shop) as tx:
        hand, ruled, _ = [await service.make_tag(tx, ME, one) for one in (
            draft("手工"), draft("买过", RULED), draft("常来", scored))]  # fmt: skip
        await service.give_tag(tx, ME, hand.tag_id, 1)
    await tell(shop, ("members.member_logged_in", NOW, login(1)))
    await settle(shop)
    assert await tags_of(shop, 1) == {"手工": None, "常来": 8}
    await tell(shop, ("ordering.order_paid", NOW, paid(1, 100)))
    await settle(shop)
    assert await tags_of(shop, 1) == {"手工": None, "买过": None, "常来": 8}
    with clock.turned(NOW + 7 * DAY):
        await settle(shop)
        assert await tags_of(shop, 1) == {"手工": None, "买过": None}
    for wrong in (ruled.tag_id, uuid4()):
        with pytest.raises((NotByHand, TagNotFound)):
            async with transaction(shop) as tx:
                await service.give_tag(tx, ME, wrong, 1)
    async with transaction(shop) as tx:
        await service.take_tag(tx, ME, hand.tag_id, 1)
    assert await tags_of(shop, 1) == {"买过": None}
    with pytest.raises(TagNameTaken):
        async with transaction(shop) as tx:
            await service.make_tag(tx, ME, draft("手工"))


async def test_the_quarterly_review(shop):
    async with transaction(shop) as tx:
        one, two, idle = [await service.make_tag(tx, ME, draft(name)) for name in "甲乙丙"]
        for number in range(1, 11):
            for tag in (one, two):
                await service.give_tag(tx, ME, tag.tag_id, number)
    async with reading(shop) as tx:
        [pair] = await service.review_tags(tx)
    assert (pair.reason, pair.share_bps, {pair.tag.name, pair.other.name}) == (
        "overlapping", 10_000, {"甲", "乙"})  # fmt: skip
    with clock.turned(NOW + 200 * DAY):
        async with transaction(shop) as tx:
            found = {item.tag.name: item.reason for item in await service.review_tags(tx)}
            assert found == {"甲": "stale", "乙": "overlapping", "丙": "unused"} or found == {
                "乙": "stale", "甲": "overlapping", "丙": "unused"}  # fmt: skip
            await service.retire_tag(tx, ME, idle.tag_id)
            await service.merge_tag(tx, ME, one.tag_id, two.tag_id)
            await service.keep_tag(tx, ME, two.tag_id)
            assert await service.review_tags(tx) == []
            [left] = await service.list_tags(tx)
            assert (left.name, left.person_count) == ("乙", 10)
            assert {tag.name for tag in await service.list_tags(tx, retired=True)} == {"甲", "丙"}


async def test_a_shop_starts_with_the_tags_of_the_mission(shop):
    for _ in range(2):
        async with transaction(shop) as tx:
            await make_default_tags(tx, ME)
    await tell(shop, ("ordering.order_paid", NOW, paid(1, 250_000)))
    await settle(shop)
    assert await tags_of(shop, 1) == {"高消费": None}
    async with reading(shop) as tx:
        assert len(await service.list_tags(tx)) == len(rules.DEFAULT_TAGS)


async def test_a_page_and_a_timeline_in_words(warehouse, shop):
    async with transaction(shop) as tx:
        found = await members.import_people(tx, [ImportRow("c1", NOW, nickname="林知夏")])
    made = found["c1"]
    await tell(shop, ("ordering.order_paid", NOW - DAY, paid(made.person_no, 12_300)),
               ("members.member_logged_in", NOW, login(made.person_no)))  # fmt: skip
    await service.rebuild(shop, settled=False)
    await settle(shop)
    async with reading(shop) as tx:
        member, profile = await service.get_profile(tx, made.member_id, reveals=True)
    values = {one.key: one for one in profile.values}
    assert (member.nickname, values["nickname"].value) == ("林知夏", "林知夏")
    assert (values["orders_fen"].value, values["views"].state) == (12_300, "no_consent")
    assert values["churn_bps"].state == "later" and len(values) == len(rules.FIELDS)
    asked = {"since": None, "until": None, "before": None, "limit": 10,
             "tiers": rules.DEFAULT_TIERS}  # fmt: skip
    rows, _ = await service.list_timeline(shop, made.person_no, "zh-CN", kinds=["trade"], **asked)
    assert [(row.label, row.text, row.amount_fen) for row in rows] == [
        ("支付订单", "订单 1", 12_300)
    ]
    both, places = await service.list_timeline(shop, made.person_no, "en", kinds=[], **asked)
    assert {row.label for row in both} >= {"Logged in", "Joined", "Paid an order"}
    more = asked | {"before": places[0]}
    rest, _ = await service.list_timeline(shop, made.person_no, "en", kinds=[], **more)
    assert [row.event_no for row in rest] == [row.event_no for row in both[1:]]


async def test_the_worker_begins_a_shop_with_its_first_event(warehouse, shop):
    async with system_transaction() as tx:
        await tx.run("update profiles.passes set rebuilt_at = now() where rebuilt_at is null")
    await tell(shop, ("ordering.order_paid", NOW, paid(1, 250_000)))
    found = None
    async with asyncio.timeout(20):
        while found is None:  # an older transaction of another test may still run beside
            await keep_profiles()
            found = await person(shop, 1)
    assert (found.fields["orders"], found.life) == (1, "active")
    assert await tags_of(shop, 1) == {"高消费": None}
    await visit(shop, 1, 0.1)
    await count_visits()
    await keep_profiles()
    assert (await person(shop, 1)).fields["views"] == 1
