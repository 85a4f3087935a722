"""Points through their verbs, with the truths checked after each story."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from uuid import UUID

import pytest

from siyu.kernel import clock
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from siyu.money.points import background, queries, service
from siyu.money.points.contracts import (
    BadPointsSetting,
    PointsOffer,
    PointsSettings,
    PointsShort,
    PointsSwitchedOff,
)
from tests.money.points.purse import Purse, broken


@pytest.fixture
async def purse(shop: ShopId) -> AsyncIterator[Purse]:
    yield await Purse.of(shop)
    assert await broken(shop) == []


async def quote(purse: Purse, fen: int) -> PointsOffer:
    async with reading(purse.shop) as tx:
        return await service.quote(tx, purse.member_id, fen)


async def events(purse: Purse) -> list[tuple[str, int]]:
    async with reading(purse.shop) as tx:
        rows = await tx.connection.fetch(
            "select name, payload from kernel.outbox where name like 'points.%' order by event_id"
        )
    assert all(row["payload"]["person_no"] > 0 for row in rows)
    return [(row["name"].removeprefix("points."), row["payload"]["points"]) for row in rows]


# --- earning --------------------------------------------------------------------------------------


async def test_a_received_order_earns_once(purse: Purse) -> None:
    order_id = await purse.earn(19_990)
    await purse.earn(19_990, order_id)
    assert await purse.told() == [("earned", 199, 199)]
    now = await purse.now()
    day = clock.business_day(clock.now(), "Asia/Shanghai")
    assert (now.balance, now.held, now.owed, now.next_expiry_points) == (199, 0, 0, 199)
    assert now.next_expiry_on == clock.month_end(day, 12)
    assert await events(purse) == [("points_earned", 199)]


async def test_an_order_of_less_than_a_point_earns_nothing_and_says_nothing(purse: Purse) -> None:
    await purse.earn(99)
    assert (await purse.balance(), await purse.told(), await events(purse)) == (0, [], [])


async def test_points_that_are_switched_off_are_neither_earned_nor_used(purse: Purse) -> None:
    await purse.earn(10_000)
    await purse.set(is_enabled=False)
    await purse.earn(10_000)
    assert await purse.balance() == 100
    assert await quote(purse, 10_000) == PointsOffer(0, 0)
    with pytest.raises(PointsSwitchedOff):
        await purse.hold(1)


async def test_points_without_an_end(purse: Purse) -> None:
    await purse.set(expiry_months=None)
    await purse.earn(10_000)
    now = await purse.now()
    assert (now.next_expiry_on, now.next_expiry_points) == (None, 0)
    clock.advance(timedelta(days=4000))
    assert await purse.expire() == 0 and await purse.balance() == 100


# --- as a tender ----------------------------------------------------------------------------------


async def test_a_basket_uses_at_most_its_share(purse: Purse) -> None:
    await purse.earn(1_000_000)  # 10,000 points are worth 100 yuan
    assert await quote(purse, 30_000) == PointsOffer(10_000, 10_000)
    assert await quote(purse, 10_001) == PointsOffer(5_000, 5_000)
    await purse.set(cap_bps=10_000, points_per_yuan=33)
    assert await quote(purse, 101) == PointsOffer(34, 101)  # 33.33 points, rounded up
    assert await quote(purse, 0) == PointsOffer(0, 0)


async def test_hold_capture_and_their_repeats(purse: Purse) -> None:
    await purse.earn(50_000)
    order_id = await purse.hold(300)
    await purse.hold(300, order_id)
    now = await purse.now()
    assert (now.balance, now.held) == (200, 300)
    assert (await purse.capture(order_id), await purse.capture(order_id)) == (300, 300)
    assert await purse.told() == [("earned", 500, 500), ("spent", -300, 200)]
    assert await events(purse) == [("points_earned", 500), ("points_spent", 300)]
    async with reading(purse.shop) as tx:
        booked = await ledger.balance(tx, Book.POINTS, purse.member_id, "POINT")
        assert (booked.posted, booked.held, booked.available) == (200, 0, 200)
        story = await ledger.list_story(tx, order_id)
        assert [entry.kind for entry in story] == ["points_spent"]


async def test_an_order_without_points_has_none_to_capture_or_release(purse: Purse) -> None:
    order_id = new_id()
    await purse.release(order_id)
    assert await purse.capture(order_id) == 0


async def test_release_puts_everything_back_and_the_order_may_hold_again(purse: Purse) -> None:
    await purse.earn(10_000)
    await purse.earn(10_000)
    order_id = await purse.hold(150)
    assert await purse.lots() == [50]
    await purse.release(order_id)
    await purse.release(order_id)
    assert await purse.lots() == [100, 100]
    assert await purse.capture(order_id) == 0
    await purse.hold(200, order_id)
    assert await purse.capture(order_id) == 200


async def test_more_than_there_is_is_refused_and_changes_nothing(purse: Purse) -> None:
    await purse.earn(10_000)
    held = await purse.hold(60)
    with pytest.raises(PointsShort) as refused:
        await purse.hold(41)
    assert refused.value.details == {"available": 40, "wanted": 41}
    assert (await purse.now()).held == 60 and await purse.balance() == 40
    await purse.release(held)


async def test_what_ends_first_is_spent_first_and_comes_back_last(purse: Purse) -> None:
    await purse.earn(10_000)
    clock.advance(timedelta(days=70))
    await purse.earn(10_000)
    order_id = await purse.spend(150)
    assert await purse.lots() == [50]
    await purse.give_back(order_id, 70)
    assert await purse.lots() == [20, 100]
    refund_id = new_id()
    await purse.give_back(order_id, 80, refund_id)
    await purse.give_back(order_id, 80, refund_id)
    await purse.give_back(order_id, 0)
    assert await purse.lots() == [100, 100]
    assert await purse.told() == [
        ("earned", 100, 100), ("earned", 100, 200), ("spent", -150, 50),
        ("given_back", 70, 120), ("given_back", 80, 200),
    ]  # fmt: skip


async def test_more_than_was_spent_never_comes_back(purse: Purse) -> None:
    await purse.earn(10_000)
    order_id = await purse.spend(50)
    with pytest.raises(AssertionError, match="more points come back"):
        await purse.give_back(order_id, 51)
    with pytest.raises(AssertionError, match="nothing was spent"):
        await purse.give_back(new_id(), 1)
    assert await purse.balance() == 50


# --- refunds take back what was earned (F058) -----------------------------------------------------


async def test_F058_a_partial_refund_takes_back_its_part(purse: Purse) -> None:
    order_id = await purse.earn(10_050)
    refund_id = new_id()
    assert await purse.revoke(order_id, 3_351, refund_id) == 34  # 66.99 yuan remain: 66 points
    assert await purse.revoke(order_id, 3_351, refund_id) == 34
    assert await purse.revoke(order_id, 6_699) == 66
    assert await purse.told() == [("earned", 100, 100), ("revoked", -34, 66), ("revoked", -66, 0)]


async def test_F058_the_orders_own_points_go_first(purse: Purse) -> None:
    first = await purse.earn(10_000)
    clock.advance(timedelta(days=40))
    second = await purse.earn(10_000)
    await purse.revoke(second, 10_000)
    assert await purse.lots() == [100]
    async with reading(purse.shop) as tx:
        [left] = await service.list_lots(tx, purse.member_id)
    assert left.order_id == first


async def test_F058_spent_points_are_owed_and_set_off(purse: Purse) -> None:
    order_id = await purse.earn(10_000)
    await purse.spend(80)
    assert await purse.revoke(order_id, 10_000) == 100
    now = await purse.now()
    assert (now.balance, now.owed) == (0, 80)
    await purse.earn(5_000)
    now = await purse.now()
    assert (now.balance, now.owed) == (0, 30)
    await purse.earn(5_000)
    now = await purse.now()
    assert (now.balance, now.owed) == (20, 0)
    told = await purse.statement()
    assert [(one.kind, one.points, one.balance, one.owed) for one in told] == [
        ("earned", 100, 100, 0), ("spent", -80, 20, 0), ("revoked", -20, 0, 80),
        ("earned", 50, 50, 0), ("set_off", -50, 0, -50),
        ("earned", 50, 50, 0), ("set_off", -30, 20, -30),
    ]  # fmt: skip
    assert ("points_revoked", 20) in await events(purse)


async def test_F058_all_spent_still_says_what_is_owed(purse: Purse) -> None:
    order_id = await purse.earn(10_000)
    spent = await purse.spend(100)
    await purse.revoke(order_id, 10_000)
    [*_, last] = await purse.statement()
    assert (last.kind, last.points, last.owed) == ("revoked", 0, 100)
    # The points that paid the other order come back, and are set off at once.
    await purse.give_back(spent, 100)
    now = await purse.now()
    assert (now.balance, now.owed) == (0, 0)


async def test_F058_below_zero_where_the_shop_allows_it(purse: Purse) -> None:
    await purse.set(negative_allowed=True)
    order_id = await purse.earn(10_000)
    await purse.spend(80)
    await purse.revoke(order_id, 10_000)
    now = await purse.now()
    assert (now.balance, now.owed) == (-80, 0)
    assert await quote(purse, 10_000) == PointsOffer(0, 0)
    with pytest.raises(PointsShort) as refused:
        await purse.hold(1)
    assert refused.value.details["available"] == 0
    with pytest.raises(PointsShort):
        await purse.adjust(-1)
    await purse.earn(10_000)
    assert await purse.balance() == 20 and await purse.lots() == [20]
    assert await purse.told() == [
        ("earned", 100, 100), ("spent", -80, 20), ("revoked", -100, -80), ("earned", 100, 20),
    ]  # fmt: skip


async def test_F058_reserved_points_that_come_back_are_set_off(purse: Purse) -> None:
    order_id = await purse.earn(10_000)
    held = await purse.hold(90)
    await purse.revoke(order_id, 10_000)
    assert (await purse.now()).owed == 90
    await purse.release(held)
    now = await purse.now()
    assert (now.balance, now.held, now.owed) == (0, 0, 0)


async def test_F058_a_refund_before_the_receipt_makes_the_points_fewer(purse: Purse) -> None:
    order_id = new_id()
    assert await purse.revoke(order_id, 4_000) == 0
    await purse.earn(10_000, order_id)
    assert await purse.told() == [("earned", 60, 60)]
    assert await purse.revoke(order_id, 6_000) == 60


async def test_F058_a_refund_too_small_for_a_point_takes_none(purse: Purse) -> None:
    order_id = await purse.earn(10_099)
    assert await purse.revoke(order_id, 99) == 0
    assert await purse.revoke(order_id, 1) == 1


async def test_F058_points_that_ended_unspent_are_not_taken_twice(purse: Purse) -> None:
    order_id = await purse.earn(10_000)
    clock.advance(timedelta(days=300))
    await purse.earn(20_000)
    clock.advance(timedelta(days=120))
    assert await purse.expire() == 100
    assert await purse.revoke(order_id, 5_000) == 50
    assert await purse.revoke(order_id, 5_000) == 50
    now = await purse.now()
    assert (now.balance, now.owed) == (200, 0)


# --- time and staff -------------------------------------------------------------------------------


async def test_points_end_with_their_month(purse: Purse) -> None:
    await purse.earn(10_000)
    last = (await purse.now()).next_expiry_on
    assert isinstance(last, date)
    evening = clock.day_start(last + timedelta(days=1), "Asia/Shanghai") - timedelta(seconds=9)
    with clock.turned(evening):
        assert await purse.expire() == 0 and await purse.balance() == 100
    with clock.turned(evening + timedelta(seconds=12)):
        assert await purse.balance() == 0 and await purse.lots() == []
        assert await quote(purse, 10_000) == PointsOffer(0, 0)
        with pytest.raises(PointsShort):
            await purse.hold(1)
        await background.expire_due()
        assert await purse.told() == [("earned", 100, 100), ("expired", -100, 0)]
        await background.expire_due()
    assert [name for name, _ in await events(purse)] == ["points_earned", "points_expired"]


async def test_all_members_points_end_however_many(
    purse: Purse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_BATCH", 2)
    purses = [purse, *[await Purse.of(purse.shop) for _ in range(4)]]
    for one in purses:
        await one.earn(10_000)
    clock.advance(timedelta(days=500))
    await background.expire_due()
    assert [await one.told() for one in purses] == [
        [("earned", 100, 100), ("expired", -100, 0)]
    ] * 5


async def test_points_given_back_after_their_day_get_days_of_grace(purse: Purse) -> None:
    await purse.earn(10_000)
    order_id = await purse.spend(60)
    clock.advance(timedelta(days=500))
    await purse.expire()
    await purse.give_back(order_id, 60)
    day = clock.business_day(clock.now(), "Asia/Shanghai")
    now = await purse.now()
    assert (now.balance, now.next_expiry_on) == (60, day + timedelta(days=30))
    clock.advance(timedelta(days=31))
    assert await purse.expire() == 60


async def test_points_released_after_their_day_are_over(purse: Purse) -> None:
    """Holding and releasing is no way to make points last longer."""
    await purse.earn(10_000)
    order_id = await purse.hold(60)
    clock.advance(timedelta(days=500))
    await purse.release(order_id)
    assert await purse.balance() == 0
    assert await purse.expire() == 100


async def test_staff_give_and_take_with_a_reason(purse: Purse) -> None:
    given = await purse.adjust(500)
    assert given.balance == 500 and given.next_expiry_points == 500
    assert (await purse.adjust(-200, "误发更正")).balance == 300
    with pytest.raises(PointsShort):
        await purse.adjust(-301)
    told = await purse.statement()
    assert [(one.points, one.note) for one in told] == [(500, "补发活动积分"), (-200, "误发更正")]
    async with reading(purse.shop) as tx:
        rows = await tx.connection.fetch("select action, detail from kernel.audit")
    assert [(row["action"], row["detail"]["after"]["points"]) for row in rows] == [
        ("points.adjusted", 500), ("points.adjusted", -200),
    ]  # fmt: skip


async def test_given_points_fill_what_is_owed_first(purse: Purse) -> None:
    order_id = await purse.earn(10_000)
    await purse.spend(100)
    await purse.revoke(order_id, 10_000)
    assert (await purse.adjust(120)).balance == 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("earned_per_yuan", -1), ("earned_per_yuan", 10_001), ("points_per_yuan", 0),
        ("cap_bps", 10_001), ("expiry_months", 0), ("expiry_months", 121), ("grace_days", 0),
    ],
)  # fmt: skip
async def test_settings_outside_their_range(purse: Purse, name: str, value: int) -> None:
    with pytest.raises(BadPointsSetting) as refused:
        await purse.set(**{name: value})
    assert refused.value.details["setting"] == name
    async with reading(purse.shop) as tx:
        assert await service.get_settings(tx) == PointsSettings()


async def test_the_statement_has_pages_and_cannot_be_rewritten(purse: Purse) -> None:
    for _ in range(3):
        await purse.earn(10_000)
    async with transaction(purse.shop) as tx:
        first = await service.list_statement(tx, purse.member_id, None, 2)
        rest = await service.list_statement(tx, purse.member_id, first[-1].movement_no, 2)
        assert [one.movement_no for one in [*first, *rest]] == [3, 2, 1]
        can = "select has_table_privilege('siyu_app', 'points.movements', $1)"
        assert [await tx.value(can, what) for what in ("insert", "update", "delete")] == [
            True, False, False,
        ]  # fmt: skip


async def test_members_do_not_share_points(purse: Purse) -> None:
    other = await Purse.of(purse.shop)
    order_id = await purse.earn(10_000)
    assert await other.balance() == 0
    with pytest.raises(PointsShort):
        await other.hold(1)
    held = await purse.hold(5)
    async with transaction(purse.shop) as tx:
        found = await queries.get_spending(tx, held)
    assert found is not None and found.member_id == purse.member_id
    assert isinstance(order_id, UUID)
