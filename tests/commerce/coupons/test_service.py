"""Coupons given, held, used and given back, against a real database."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from siyu.commerce.coupons import background, queries, service
from siyu.commerce.coupons.contracts import (
    BadTerms,
    BatchChanged,
    BatchMoveRefused,
    BatchNotFound,
    BatchState,
    Birthday,
    BirthdayFixed,
    BudgetSpent,
    ClaimNotFound,
    ClaimState,
    CodeTaken,
    CodeUnknown,
    CouponUnusable,
    DeviceNeeded,
    Issue,
    LimitReached,
    NotRunning,
    PhoneNeeded,
    SoldOut,
    Tab,
    TermsFixed,
    TooManyCodes,
    Unusable,
)
from siyu.commerce.coupons.queries import Receiver
from siyu.commerce.promotions.contracts import FixedOff, PercentOff, Scope
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.people.members import service as members
from siyu.people.members.contracts import MemberJoined, MemberNotFound, PhoneGiven
from tests.commerce.coupons import kit
from tests.commerce.coupons.kit import Basket
from tests.commerce.ordering.kit import events


@pytest.fixture
async def house(shop: ShopId) -> AsyncIterator[ShopId]:
    yield shop
    assert await kit.broken(shop) == []


@pytest.fixture
async def anna(house: ShopId) -> Receiver:
    [member] = await kit.make_members(house)
    return member


async def living(shop: ShopId, member: Receiver) -> list[str]:
    """The names of a member's usable coupons."""
    async with reading(shop) as tx:
        return [one.batch.name for one in await queries.list_living(tx, member.member_id, 50)]


# --- batches --------------------------------------------------------------------------------------


async def test_a_batch_begins_as_a_draft_and_goes_its_way(house: ShopId) -> None:
    async with transaction(house) as tx:
        made = await service.create_batch(tx, System(), kit.draft(name=" 新年券 ", note=" 谢谢 "))
        assert (made.state, made.name, made.note, made.version) == ("draft", "新年券", "谢谢", 1)
        changed = await service.edit_batch(
            tx, System(), made.batch_id, kit.draft(name="元旦券", gives=FixedOff(500)), 1
        )
        assert (changed.name, changed.gives, changed.version) == ("元旦券", FixedOff(500), 2)
        with pytest.raises(BatchChanged) as stale:
            await service.edit_batch(tx, System(), made.batch_id, kit.draft(), 1)
        assert stale.value.details == {"version": 2}
        for to in (BatchState.RUNNING, BatchState.PAUSED, BatchState.RUNNING, BatchState.ENDED):
            assert (await service.move_batch(tx, System(), made.batch_id, to)).state is to
        with pytest.raises(BatchMoveRefused):
            await service.move_batch(tx, System(), made.batch_id, BatchState.RUNNING)
        with pytest.raises(BatchNotFound):
            await service.get_batch(tx, new_id())
    async with reading(house) as read:
        trail = await read.connection.fetch("select action from kernel.audit order by audit_id")
    assert [row["action"] for row in trail] == [
        "coupons.batch_created", "coupons.batch_changed", *["coupons.batch_moved"] * 4,
    ]  # fmt: skip


async def test_a_running_batch_keeps_its_promise_and_may_grow(house: ShopId) -> None:
    batch = await kit.make_batch(house, total_count=2, budget_fen=5000)
    fields = {
        field: getattr(batch, field)
        for field in ("starts_at", "ends_at", "total_count", "budget_fen")
    }
    async with transaction(house) as tx:
        with pytest.raises(TermsFixed):
            await service.edit_batch(
                tx, System(), batch.batch_id, kit.draft(**fields | {"gives": FixedOff(1)}), 2
            )
        grown = await service.edit_batch(
            tx, System(), batch.batch_id, kit.draft(**fields | {"total_count": 5}), 2
        )
    assert (grown.total_count, grown.budget_fen) == (5, 5000)


async def test_a_code_belongs_to_one_batch_that_has_not_ended(house: ShopId) -> None:
    code: dict[str, Any] = {"issue": Issue.CODE, "code": "双 11"}
    first = await kit.make_batch(house, **code)
    assert first.code == "双11"
    with pytest.raises(CodeTaken):
        await kit.make_batch(house, **code)
    other = await kit.make_batch(house, state=BatchState.DRAFT, issue=Issue.CODE, code="双12")
    async with transaction(house) as tx:
        with pytest.raises(CodeTaken):
            await service.edit_batch(tx, System(), other.batch_id, kit.draft(**code), 1)
        await tx.connection.execute(f"rollback; begin; set local siyu.shop_id = '{house}'")
        await service.move_batch(tx, System(), first.batch_id, BatchState.ENDED)
    assert (await kit.make_batch(house, **code)).code == "双11"


async def test_what_cannot_be_is_not_kept(house: ShopId) -> None:
    with pytest.raises(BadTerms):
        await kit.make_batch(house, issue=Issue.CODE)


# --- claiming -------------------------------------------------------------------------------------


async def test_a_claim_is_a_coupon_with_a_history_and_an_event(
    house: ShopId, anna: Receiver
) -> None:
    batch = await kit.make_batch(house)
    claim_id = await kit.claim(house, anna, batch)
    claim = await kit.claim_of(house, anna, claim_id)
    assert (claim.state, claim.valid_until) == ("claimed", batch.ends_at)
    assert await kit.moves_of(house, claim_id) == ["claimed"]
    [told] = await events(house, "coupons.coupon_claimed")
    assert (told["person_no"], told["amount_fen"], told["issue"]) == (
        anna.person_no,
        1000,
        "centre",
    )


async def test_days_are_counted_by_the_calendar_of_the_shop(house: ShopId, anna: Receiver) -> None:
    batch = await kit.make_batch(
        house, valid_days=7, starts_at=datetime(2026, 1, 1, tzinfo=UTC),
        ends_at=datetime(2027, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    with clock.turned(datetime(2026, 6, 1, 15, 59, tzinfo=UTC)):
        claim_id = await kit.claim(house, anna, batch)
    until = (await kit.claim_of(house, anna, claim_id)).valid_until
    assert until == datetime(2026, 6, 7, 16, tzinfo=UTC), "1 June is the first day in China"


@pytest.mark.parametrize(
    ("changes", "refusal", "details"),
    [
        ({"state": BatchState.PAUSED}, NotRunning, {"state": "paused"}),
        ({"state": BatchState.DRAFT}, NotRunning, {"state": "draft"}),
        ({"starts_at": kit.later(1)}, NotRunning, {"state": "soon"}),
        ({"starts_at": kit.later(-9), "ends_at": kit.later(-1)}, NotRunning, {"state": "over"}),
        ({"issue": Issue.STAFF}, BatchNotFound, {}),
        ({"issue": Issue.CODE, "code": "双11"}, BatchNotFound, {}),
        ({"needs_phone": True}, PhoneNeeded, {}),
        ({"per_device": 1}, DeviceNeeded, {}),
    ],
)
async def test_what_cannot_be_claimed(
    house: ShopId, anna: Receiver, changes: dict[str, Any], refusal: Any, details: Any
) -> None:
    batch = await kit.make_batch(house, **changes)
    with pytest.raises(refusal) as refused:
        await kit.claim(house, anna, batch)
    assert refused.value.details == details
    assert (await kit.batch_of(house, batch)).claimed_count == 0
    with pytest.raises(BatchNotFound):
        async with transaction(house) as tx:
            await service.claim(tx, anna, new_id(), None)


async def test_what_is_gone_is_gone(house: ShopId) -> None:
    anna, bert = await kit.make_members(house, 2)
    batch = await kit.make_batch(house, total_count=1)
    await kit.claim(house, anna, batch)
    with pytest.raises(SoldOut):
        await kit.claim(house, bert, batch)
    budget = await kit.make_batch(house, budget_fen=1000)
    await kit.spend(house, anna, await kit.claim(house, anna, budget))
    with pytest.raises(SoldOut):
        await kit.claim(house, bert, budget)


async def test_a_batch_that_stops_while_a_member_claims(
    house: ShopId, anna: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await kit.make_batch(house, total_count=1)
    stale = await kit.batch_of(house, batch)
    [bert] = await kit.make_members(house)
    await kit.claim(house, bert, batch)
    real = queries.get_batch
    seen = iter([stale])

    async def get_batch(tx: Any, batch_id: UUID) -> Any:
        return next(seen, None) or await real(tx, batch_id)

    monkeypatch.setattr(queries, "get_batch", get_batch)
    with pytest.raises(SoldOut):
        await kit.claim(house, anna, batch)
    monkeypatch.setattr(queries, "get_batch", lambda *_: _value(stale))
    with pytest.raises(SoldOut):
        await kit.claim(house, anna, batch)


async def _value(found: Any) -> Any:
    return found


async def test_one_device_claims_so_many_and_no_more(house: ShopId) -> None:
    anna, bert = await kit.make_members(house, 2)
    batch = await kit.make_batch(house, per_device=1)
    device = new_id()
    async with transaction(house) as tx:
        await service.claim(tx, anna, batch.batch_id, device)
    with pytest.raises(LimitReached) as refused:
        async with transaction(house) as tx:
            await service.claim(tx, bert, batch.batch_id, device)
    assert refused.value.details == {"of": "device", "limit": 1}
    async with transaction(house) as tx:
        await service.claim(tx, bert, batch.batch_id, new_id())


async def test_F095_one_phone_number_claims_as_one_member(house: ShopId) -> None:
    anna, bert = await kit.make_members(house, 2)
    batch = await kit.make_batch(house, needs_phone=True, per_member=1)
    async with transaction(house) as tx:
        for member in (anna, bert):
            await members.give_phone(tx, member.member_id, "+8613812345678")
    await kit.claim(house, anna, batch)
    with pytest.raises(LimitReached) as refused:
        await kit.claim(house, bert, batch)
    assert refused.value.details == {"of": "phone", "limit": 1}


async def test_a_code_is_told_apart_from_none_only_when_it_runs(
    house: ShopId, anna: Receiver
) -> None:
    await kit.make_batch(house, issue=Issue.CODE, code="双11")
    await kit.make_batch(house, issue=Issue.CODE, code="双12", state=BatchState.PAUSED)
    async with transaction(house) as tx:
        counted = await service.count_try(tx, anna.member_id, "10.0.0.1")
        assert await service.claim_by_code(tx, anna, " 双１１ ", None, counted)
        for wrong in ("双12", "双13"):
            with pytest.raises(CodeUnknown):
                await service.claim_by_code(tx, anna, wrong, None, counted)


async def test_guesses_are_counted_and_a_right_code_is_not(house: ShopId, anna: Receiver) -> None:
    await kit.make_batch(house, issue=Issue.CODE, code="双11")
    [bert] = await kit.make_members(house)

    async def guess(member: Receiver, code: str, ip: str = "10.0.0.1") -> None:
        async with transaction(house) as tx:
            counted = await service.count_try(tx, member.member_id, ip)
        async with transaction(house) as tx:
            await service.claim_by_code(tx, member, code, None, counted)

    for _ in range(30):
        await guess(bert, "双11")
    for _ in range(10):
        with pytest.raises(CodeUnknown):
            await guess(anna, "错")
    with pytest.raises(TooManyCodes) as refused:
        await guess(anna, "双11")
    assert 0 < refused.value.retry_after <= 900
    await guess(bert, "双11")
    with clock.turned(kit.later(1)):
        with pytest.raises(CodeUnknown):
            await guess(anna, "错")
        await background.end_coupons()
    async with reading(house) as tx:
        assert await tx.value("select count(*) from coupons.code_attempts") == 2
    with clock.turned(kit.later(3)):
        await background.end_coupons()
    async with reading(house) as tx:
        assert await tx.value("select count(*) from coupons.code_attempts") == 0


async def test_the_centre_shows_what_runs_and_what_one_has(house: ShopId, anna: Receiver) -> None:
    had = await kit.make_batch(house, name="有了", per_member=1)
    await kit.make_batch(house, name="没了", total_count=1, ends_at=kit.later(9))
    await kit.make_batch(house, name="口令", issue=Issue.CODE, code="双11")
    await kit.make_batch(house, name="停了", state=BatchState.PAUSED)
    await kit.claim(house, anna, had)
    [bert] = await kit.make_members(house)
    async with reading(house) as tx:
        gone = (await service.list_centre(tx, None))[0].batch
    await kit.claim(house, bert, gone)
    async with reading(house) as tx:
        shown = await service.list_centre(tx, anna.member_id)
        assert [(one.batch.name, one.had, one.is_gone) for one in shown] == [
            ("没了", 0, True), ("有了", 1, False),
        ]  # fmt: skip
        assert [one.had for one in await service.list_centre(tx, None)] == [0, 0]


# --- given --------------------------------------------------------------------------------------


async def test_staff_hand_out_and_who_has_enough_is_named(house: ShopId) -> None:
    anna, bert, carl = await kit.make_members(house, 3)
    batch = await kit.make_batch(house, issue=Issue.STAFF, per_member=1, total_count=2)
    ids = [member.member_id for member in (anna, bert)]
    async with transaction(house) as tx:
        first = await service.hand_out(tx, System(), batch.batch_id, ids[:1], "补偿")
        assert (first.given, first.had) == (ids[:1], [])
        second = await service.hand_out(tx, System(), batch.batch_id, ids, "补偿")
        assert (second.given, second.had) == (ids[1:], ids[:1])
        with pytest.raises(SoldOut):
            await service.hand_out(tx, System(), batch.batch_id, [carl.member_id], "")
    async with transaction(house) as tx:
        with pytest.raises(MemberNotFound):
            more = await kit_batch(house, tx)
            await service.hand_out(tx, System(), more, [new_id()], "")
        await tx.connection.execute(f"rollback; begin; set local siyu.shop_id = '{house}'")
    centre = await kit.make_batch(house)
    for wrong in (centre.batch_id, new_id()):
        async with transaction(house) as tx:
            with pytest.raises(BatchNotFound):
                await service.hand_out(tx, System(), wrong, ids, "")


async def kit_batch(house: ShopId, tx: Any) -> UUID:
    made = await service.create_batch(tx, System(), kit.draft(issue=Issue.STAFF))
    return (await service.move_batch(tx, System(), made.batch_id, BatchState.RUNNING)).batch_id


async def test_nobody_new_to_hand_out_to_is_no_refusal(house: ShopId, anna: Receiver) -> None:
    batch = await kit.make_batch(house, issue=Issue.STAFF, per_member=1)
    for had in (0, 1):
        async with transaction(house) as tx:
            told = await service.hand_out(tx, System(), batch.batch_id, [anna.member_id], "")
        assert len(told.had) == had


async def test_a_new_member_gets_the_pack_once(house: ShopId, anna: Receiver) -> None:
    await kit.make_batch(house, name="新人", issue=Issue.NEWCOMER, per_member=2)
    await kit.make_batch(house, name="首单", issue=Issue.FIRST_ORDER, per_member=1)
    await kit.make_batch(house, name="完了", issue=Issue.NEWCOMER, per_member=2, total_count=1)
    await kit.make_batch(house, name="手机", issue=Issue.NEWCOMER, per_member=1, needs_phone=True)
    joined = MemberJoined(person_no=anna.person_no, member_id=anna.member_id, source="h5")
    for _ in range(2):
        async with transaction(house) as tx:
            await background.on_member_joined(tx, joined)
    assert sorted(await living(house, anna)) == ["新人", "新人", "首单"]
    imported = msgspec.structs.replace(joined, source="import")
    [bert] = await kit.make_members(house)
    async with transaction(house) as tx:
        await background.on_member_joined(
            tx, msgspec.structs.replace(imported, member_id=bert.member_id)
        )
    assert await living(house, bert) == []


async def test_F095_the_pack_for_a_phone_number_is_given_to_each_number_once(
    house: ShopId,
) -> None:
    anna, bert = await kit.make_members(house, 2)
    await kit.make_batch(house, name="手机", issue=Issue.NEWCOMER, per_member=1, needs_phone=True)
    await kit.make_batch(house, name="新人", issue=Issue.NEWCOMER, per_member=1)
    for member in (anna, bert):
        async with transaction(house) as tx:
            await members.give_phone(tx, member.member_id, "+8613812345678")
            told = PhoneGiven(person_no=member.person_no, member_id=member.member_id)
            await background.on_phone_given(tx, told)
    assert (await living(house, anna), await living(house, bert)) == (["手机"], [])
    [carl] = await kit.make_members(house)
    with pytest.raises(PhoneNeeded):
        async with transaction(house) as tx:
            told = PhoneGiven(person_no=carl.person_no, member_id=carl.member_id)
            await background.on_phone_given(tx, told)


# --- birthdays ------------------------------------------------------------------------------------


async def test_a_birthday_is_given_once_a_year_and_can_be_taken_back(
    house: ShopId, anna: Receiver
) -> None:
    async with transaction(house) as tx:
        assert await service.get_birthday(tx, anna.member_id) is None
        assert not await service.is_birthday(tx, anna.member_id)
        await service.set_birthday(tx, anna, Birthday(2, 29))
        assert await service.get_birthday(tx, anna.member_id) == Birthday(2, 29)
        with pytest.raises(BirthdayFixed):
            await service.set_birthday(tx, anna, Birthday(3, 1))
        with pytest.raises(BadTerms):
            await service.set_birthday(tx, anna, Birthday(2, 30))
        await service.clear_birthday(tx, anna.member_id)
        assert await service.get_birthday(tx, anna.member_id) is None
        with pytest.raises(BirthdayFixed):
            await service.set_birthday(tx, anna, Birthday(3, 1))
    with clock.turned(kit.later(366)):
        async with transaction(house) as tx:
            await service.set_birthday(tx, anna, kit.today())
            assert await service.is_birthday(tx, anna.member_id)
    stored = await _stored(house)
    assert b"-" not in stored, "sealed"


async def _stored(house: ShopId) -> bytes:
    async with reading(house) as tx:
        return bytes(await tx.value("select day_key from coupons.birthdays"))


async def test_birthday_coupons_come_on_the_day_or_a_little_late_and_once_a_year(
    house: ShopId,
) -> None:
    anna, bert = await kit.make_members(house, 2)
    await kit.make_batch(
        house, name="生日", issue=Issue.BIRTHDAY, valid_days=7, per_member=1,
        starts_at=datetime(2025, 1, 1, tzinfo=UTC), ends_at=datetime(2029, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    gone = await kit.make_batch(
        house, name="没了", issue=Issue.BIRTHDAY, total_count=1,
        starts_at=datetime(2025, 1, 1, tzinfo=UTC), ends_at=datetime(2029, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    async with transaction(house) as tx:
        await service.set_birthday(tx, anna, Birthday(2, 29))
        await service.set_birthday(tx, bert, Birthday(3, 1))
    for on, wanted in [
        (date(2027, 2, 27), 0), (date(2027, 2, 28), 1), (date(2027, 3, 2), 1),
        (date(2027, 3, 3), 1), (date(2028, 2, 28), 1), (date(2028, 2, 29), 2),
    ]:  # fmt: skip
        with clock.turned(datetime(on.year, on.month, on.day, 1, tzinfo=UTC)):
            await background.celebrate()
        async with reading(house) as tx:
            had = await tx.value(
                "select count(*) from coupons.claims where member_id = $1 and valid_until"
                " < '2028-12-31'", anna.member_id,
            )  # fmt: skip
        assert had == wanted, on
    async with reading(house) as tx:
        count = "select count(*) from coupons.claims where member_id = $1 and birthday_year = 2027"
        assert await tx.value(count, bert.member_id) >= 1
    assert (await kit.batch_of(house, gone)).claimed_count == 1


# --- orders ---------------------------------------------------------------------------------------


async def test_a_coupon_goes_into_an_order_and_is_used(house: ShopId, anna: Receiver) -> None:
    batch = await kit.make_batch(house, budget_fen=5000)
    claim_id = await kit.claim(house, anna, batch)
    order_id = await kit.hold(house, anna, {claim_id: 1000})
    assert (await kit.batch_of(house, batch)).committed_fen == 1000
    assert await kit.use(house, order_id, 8000) == 1000
    assert await kit.use(house, order_id, 8000) == 0, "harmless when repeated"
    claim = await kit.claim_of(house, anna, claim_id)
    assert (claim.state, claim.order_id, claim.off_fen) == ("used", order_id, 1000)
    assert claim.used_at is not None
    [told] = await events(house, "coupons.coupon_used")
    assert (told["amount_fen"], told["order_id"]) == (1000, str(order_id))
    async with reading(house) as tx:
        figures = await queries.get_figures(tx, batch.batch_id)
        assert await service.list_held(tx, order_id) == {claim_id: 1000}
    assert (figures.claimed, figures.used, figures.given_fen, figures.orders) == (1, 1, 1000, 1)
    assert figures.turnover_fen == 8000
    await kit.release(house, order_id)
    assert (await kit.claim_of(house, anna, claim_id)).state is ClaimState.USED


async def test_nothing_held_is_nothing_done(house: ShopId, anna: Receiver) -> None:
    order_id = await kit.hold(house, anna, {})
    assert await kit.use(house, order_id) == 0
    await kit.release(house, order_id)
    assert await kit.give_back(house, order_id) == []
    with pytest.raises(AssertionError):
        await kit.hold(house, anna, {new_id(): 0})


async def test_F049_a_cancelled_order_gives_its_coupon_back_once(
    house: ShopId, anna: Receiver
) -> None:
    batch = await kit.make_batch(house, budget_fen=1000)
    claim_id = await kit.claim(house, anna, batch)
    order_id = await kit.hold(house, anna, {claim_id: 1000})
    await kit.release(house, order_id)
    again = await kit.hold(house, anna, {claim_id: 900})
    await kit.release(house, order_id)
    claim = await kit.claim_of(house, anna, claim_id)
    assert (claim.state, claim.order_id) == ("held", again), (
        "the timeout of the first frees nothing"
    )
    assert (await kit.batch_of(house, batch)).committed_fen == 900
    [told] = await events(house, "coupons.coupon_returned")
    assert (told["reason"], told["amount_fen"]) == ("cancelled", 1000)
    async with reading(house) as tx:
        assert await service.list_held(tx, order_id) == {claim_id: 1000}


async def test_F049_a_late_payment_takes_the_coupon_again_and_a_refund_returns_it_once(
    house: ShopId, anna: Receiver
) -> None:
    batch = await kit.make_batch(house, budget_fen=1000, return_days=3)
    claim_id = await kit.claim(house, anna, batch)
    order_id = await kit.hold(house, anna, {claim_id: 1000})
    await kit.release(house, order_id)
    async with transaction(house) as tx:
        held = await service.list_held(tx, order_id)
        await service.hold(tx, anna.member_id, order_id, held)
        await service.use(tx, order_id, 5000)
    with clock.turned(kit.later(40)):
        assert await kit.give_back(house, order_id) == [claim_id]
        assert await kit.give_back(house, order_id) == []
        claim = await kit.claim_of(house, anna, claim_id)
        assert claim.state is ClaimState.CLAIMED
        assert timedelta(days=2.9) < claim.valid_until - clock.now() < timedelta(days=3.1)
    assert (await kit.batch_of(house, batch)).committed_fen == 0
    assert await kit.moves_of(house, claim_id) == [
        "claimed", "held", "released", "held", "used", "given_back",
    ]  # fmt: skip
    assert [told["reason"] for told in await events(house, "coupons.coupon_returned")] == [
        "cancelled", "refunded",
    ]  # fmt: skip


async def test_a_batch_may_keep_what_was_used(house: ShopId, anna: Receiver) -> None:
    batch = await kit.make_batch(house, return_days=None)
    order_id = await kit.spend(house, anna, await kit.claim(house, anna, batch))
    assert await kit.give_back(house, order_id) == []


async def test_a_coupon_given_back_keeps_a_later_end(house: ShopId, anna: Receiver) -> None:
    batch = await kit.make_batch(house, return_days=3)
    claim_id = await kit.claim(house, anna, batch)
    await kit.give_back(house, await kit.spend(house, anna, claim_id))
    assert (await kit.claim_of(house, anna, claim_id)).valid_until == batch.ends_at


async def test_F081_another_members_coupon_does_not_exist_and_no_other_shops(
    house: ShopId, anna: Receiver
) -> None:
    batch = await kit.make_batch(house)
    claim_id = await kit.claim(house, anna, batch)
    [bert] = await kit.make_members(house)
    with pytest.raises(ClaimNotFound):
        await kit.hold(house, bert, {claim_id: 1000})
    async with reading(house) as tx:
        with pytest.raises(ClaimNotFound):
            await service.load_rules(tx, bert.member_id, [claim_id], is_first_order=True)
    own = await kit.claim(house, bert, batch)
    with pytest.raises(ClaimNotFound):
        await kit.hold(house, bert, {own: 1000, claim_id: 1000})
    assert (await kit.claim_of(house, bert, own)).state is ClaimState.CLAIMED, "nothing changed"


async def test_what_is_over_soon_or_elsewhere_is_not_held(house: ShopId, anna: Receiver) -> None:
    batch = await kit.make_batch(house)
    claim_id = await kit.claim(house, anna, batch)
    for days, reason in ((31, "expired"), (-1, "not_yet")):
        with clock.turned(kit.later(days)), pytest.raises(CouponUnusable) as refused:
            await kit.hold(house, anna, {claim_id: 1000})
        assert refused.value.details == {"claim_id": str(claim_id), "reason": reason}
    other = await kit.claim(house, anna, batch)
    await kit.hold(house, anna, {claim_id: 1000})
    with pytest.raises(CouponUnusable) as refused:
        await kit.hold(house, anna, {claim_id: 1000, other: 1000})
    assert refused.value.details["reason"] == "held"
    async with reading(house) as tx:
        with pytest.raises(CouponUnusable):
            await service.load_rules(tx, anna.member_id, [claim_id], is_first_order=True)


async def test_a_budget_that_cannot_pay_refuses(house: ShopId, anna: Receiver) -> None:
    batch = await kit.make_batch(house, gives=PercentOff(pay_bps=5000), budget_fen=999)
    claim_id = await kit.claim(house, anna, batch)
    with pytest.raises(BudgetSpent):
        await kit.hold(house, anna, {claim_id: 1000})
    await kit.hold(house, anna, {claim_id: 999})


async def test_rules_come_in_the_order_asked_and_once_each(house: ShopId, anna: Receiver) -> None:
    one = await kit.make_batch(house, name="一")
    first = await kit.make_batch(house, name="首单", issue=Issue.FIRST_ORDER, per_member=1)
    async with transaction(house) as tx:
        [gift] = await service.welcome(tx, anna, has_phone=False)
    own = await kit.claim(house, anna, one)
    async with reading(house) as tx:
        found = await service.load_rules(tx, anna.member_id, [gift, own, gift], is_first_order=True)
        assert [rule.label for rule in found] == [first.name, one.name]
        assert await service.load_rules(tx, anna.member_id, [], is_first_order=True) == []
        with pytest.raises(CouponUnusable) as refused:
            await service.load_rules(tx, anna.member_id, [gift], is_first_order=False)
    assert refused.value.details["reason"] == "not_first_order"


async def test_a_basket_sees_what_its_coupons_do(house: ShopId, anna: Receiver) -> None:
    basket = Basket(3000)
    async with reading(house) as tx:
        offers = service.list_usable
        found = await offers(tx, anna.member_id, basket.lines, basket.price, is_first_order=True)
    assert (found, basket.asked) == ([], 0), "no coupons, no work"
    small = await kit.make_batch(house, gives=FixedOff(500))
    large = await kit.make_batch(house, from_fen=3000)
    far = await kit.make_batch(house, from_fen=9000)
    elsewhere = await kit.make_batch(house, scope=Scope(product_ids=frozenset({new_id()})))
    for batch in (small, large, far, elsewhere):
        await kit.claim(house, anna, batch)
    async with reading(house) as tx:
        found = await offers(tx, anna.member_id, basket.lines, basket.price, is_first_order=True)
    shown = {
        offer.coupon.batch.batch_id: (offer.saving_fen, offer.reason, offer.short_fen)
        for offer in found
    }
    assert [offer.saving_fen for offer in found] == [1000, 500, 0, 0]
    assert shown[far.batch_id] == (0, Unusable.BELOW_FROM, 6000)
    assert shown[elsewhere.batch_id] == (0, Unusable.OUT_OF_SCOPE, 0)
    assert service.best_choice(found, basket.price) == [found[0].coupon.claim.claim_id]


# --- the end --------------------------------------------------------------------------------------


async def test_time_ends_what_nobody_used(house: ShopId, anna: Receiver) -> None:
    batch = await kit.make_batch(house)
    over, used, held = [await kit.claim(house, anna, batch) for _ in range(3)]
    await kit.spend(house, anna, used)
    order_id = await kit.hold(house, anna, {held: 1000})
    with clock.turned(batch.ends_at):
        async with reading(house) as tx:
            own = await queries.list_past(tx, anna.member_id, Tab.EXPIRED, None, 9)
            assert [one.claim.claim_id for one in own] == [over], "over before the job has run"
        await background.end_coupons()
        await kit.release(house, order_id)
        await background.end_coupons()
        assert await living(house, anna) == []
        async with reading(house) as tx:
            own = await queries.list_past(tx, anna.member_id, Tab.EXPIRED, None, 9)
            assert {one.claim.claim_id for one in own} == {over, held}
            own = await queries.list_past(tx, anna.member_id, Tab.USED, None, 9)
            assert [one.claim.claim_id for one in own] == [used]
    assert await kit.moves_of(house, held) == ["claimed", "held", "released", "expired"]


async def test_staff_take_away_what_is_in_no_order(house: ShopId, anna: Receiver) -> None:
    batch = await kit.make_batch(house)
    free, held = await kit.claim(house, anna, batch), await kit.claim(house, anna, batch)
    await kit.hold(house, anna, {held: 1000})
    async with transaction(house) as tx:
        gone = await service.void_claims(tx, System(), batch.batch_id, [free, held], "误发")
        with pytest.raises(BatchNotFound):
            await service.void_claims(tx, System(), new_id(), [free], "误发")
    assert gone == [free]
    async with reading(house) as tx:
        moves = await queries.list_moves(tx, free)
    assert (moves[-1].kind, moves[-1].note) == ("voided", "误发")
