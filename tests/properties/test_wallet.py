"""Lots: whatever is taken, given back and refunded, every fen and point is where it belongs."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from siyu.money.points import rules as points
from siyu.money.points.contracts import Lot as PointLot
from siyu.money.points.contracts import LotId as PointLotId
from siyu.money.points.contracts import PointsSettings
from siyu.money.stored_value import rules
from siyu.money.stored_value.contracts import (
    Held,
    Lot,
    LotId,
    NothingToRefund,
    OfferId,
    SpendOrder,
    TopUp,
    TopUpId,
    TopUpState,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ORDERS = st.sampled_from(SpendOrder)
DAYS = st.one_of(st.none(), st.dates(date(2026, 6, 1), date(2027, 6, 1)))


def lots_of(values: list[tuple[int, int, date | None]]) -> list[Lot]:
    return [
        Lot(
            lot_id=LotId(UUID(int=number + 1)),
            principal_left_fen=principal,
            bonus_left_fen=bonus,
            expires_on=expires_on,
            created_at=NOW + timedelta(days=number),
        )
        for number, (principal, bonus, expires_on) in enumerate(values)
    ]


FEN = st.integers(0, 500_000)
LOTS = st.lists(st.tuples(FEN, FEN, DAYS), min_size=1, max_size=8).map(lots_of)


@given(LOTS, ORDERS, st.data())
def test_what_is_taken_is_what_was_asked_and_never_more_than_a_lot_holds(
    lots: list[Lot], order: SpendOrder, data: st.DataObject
) -> None:
    whole = rules.sum_lots(lots)
    amount = data.draw(st.integers(0, whole.total_fen))
    parts = rules.take(lots, amount, order)
    taken = rules.sum_parts(parts)
    assert taken.principal_fen + taken.bonus_fen == amount
    by_id = {lot.lot_id: lot for lot in lots}
    assert len({part.lot_id for part in parts}) == len(parts)
    for part in parts:
        lot = by_id[LotId(part.lot_id)]
        assert 0 <= part.principal_fen <= lot.principal_left_fen
        assert 0 <= part.bonus_fen <= lot.bonus_left_fen
        assert part.principal_fen + part.bonus_fen > 0
    if order is SpendOrder.PRINCIPAL_FIRST:
        assert taken.bonus_fen == 0 or taken.principal_fen == whole.principal_fen
    if order is SpendOrder.BONUS_FIRST:
        assert taken.principal_fen == 0 or taken.bonus_fen == whole.bonus_fen


def cuts(draw: st.DataObject, whole: int) -> list[int]:
    """A way to give `whole` back in parts."""
    parts = []
    while whole:
        parts.append(draw.draw(st.integers(1, whole)))
        whole -= parts[-1]
    return parts


@given(LOTS, ORDERS, st.data())
def test_any_partial_refunds_restore_every_lot_exactly(
    lots: list[Lot], order: SpendOrder, data: st.DataObject
) -> None:
    amount = data.draw(st.integers(0, rules.sum_lots(lots).total_fen))
    parts = [
        rules.SpentPart(part.lot_id, part.principal_fen, part.bonus_fen, 0, 0)
        for part in rules.take(lots, amount, order)
    ]
    spent, back = rules.sum_parts(parts), Held(0, 0)
    for fen in cuts(data, amount):
        given_back = rules.share_back(spent, back, fen)
        assert min(given_back.principal_fen, given_back.bonus_fen) >= 0
        assert given_back.principal_fen + given_back.bonus_fen == fen
        returned = {part.lot_id: part for part in rules.put_back(parts, given_back)}
        assert rules.sum_parts(returned.values()) == given_back
        parts = [
            rules.SpentPart(
                part.lot_id,
                part.principal_fen,
                part.bonus_fen,
                part.back_principal_fen + (r.principal_fen if r else 0),
                part.back_bonus_fen + (r.bonus_fen if r else 0),
            )
            for part in parts
            for r in [returned.get(part.lot_id)]
        ]
        back = Held(
            back.principal_fen + given_back.principal_fen, back.bonus_fen + given_back.bonus_fen
        )
        # Never off the proportion by a whole fen.
        whole = spent.principal_fen + spent.bonus_fen
        so_far = back.principal_fen + back.bonus_fen
        assert 0 <= so_far * spent.bonus_fen - back.bonus_fen * whole < whole
    assert back == spent
    for part in parts:
        assert (part.back_principal_fen, part.back_bonus_fen) == (
            part.principal_fen, part.bonus_fen,
        )  # fmt: skip


def top_up_of(principal: int, bonus: int) -> TopUp:
    return TopUp(
        top_up_id=TopUpId(UUID(int=1)), member_id=UUID(int=2), person_no=1,
        offer_id=OfferId(UUID(int=3)), amount_fen=principal, bonus_fen=bonus, platform="h5",
        state=TopUpState.PAID, created_at=NOW, pay_before=NOW, paid_at=NOW,
        payment_id=UUID(int=4), refunded_fen=0, withdrawn_fen=0, kept_back_fen=0,
        principal_left_fen=principal, bonus_left_fen=bonus, unused_fen=0, bonus_expires_on=None,
    )  # fmt: skip


STEPS = st.lists(
    st.tuples(st.sampled_from(["spend", "refund", "expire"]), st.integers(1, 400_000), ORDERS),
    max_size=12,
)


@given(st.integers(1, 500_000), st.integers(0, 150_000), STEPS, st.booleans())
def test_a_member_never_keeps_bonus_that_belongs_to_refunded_principal(
    principal: int, bonus: int, steps: list[tuple[str, int, SpendOrder]], only_in_proportion: bool
) -> None:
    top_up = top_up_of(principal, bonus)
    for what, fen, order in steps:
        left = top_up.principal_left_fen + top_up.bonus_left_fen
        if what == "spend" and left:
            chosen = SpendOrder.PROPORTIONAL if only_in_proportion else order
            lot = lots_of([(top_up.principal_left_fen, top_up.bonus_left_fen, None)])
            [part] = rules.take(lot, min(fen, left), chosen)
            top_up = msgspec.structs.replace(
                top_up,
                principal_left_fen=top_up.principal_left_fen - part.principal_fen,
                bonus_left_fen=top_up.bonus_left_fen - part.bonus_fen,
            )
        elif what == "expire" and not only_in_proportion:
            top_up = msgspec.structs.replace(
                top_up, unused_fen=top_up.unused_fen + top_up.bonus_left_fen, bonus_left_fen=0
            )
        elif what == "refund":
            try:
                terms = rules.refund_terms(top_up, min(fen, top_up.principal_left_fen))
            except NothingToRefund:
                continue
            assert terms.money_fen > 0 and terms.principal_fen == (
                terms.money_fen + terms.kept_back_fen
            )
            if only_in_proportion:
                assert terms.kept_back_fen == 0, "each fen was spent in its own mix"
            top_up = msgspec.structs.replace(
                top_up,
                refunded_fen=top_up.refunded_fen + terms.principal_fen,
                withdrawn_fen=top_up.withdrawn_fen + terms.withdrawn_fen,
                kept_back_fen=top_up.kept_back_fen + terms.kept_back_fen,
                principal_left_fen=top_up.principal_left_fen - terms.principal_fen,
                bonus_left_fen=top_up.bonus_left_fen - terms.withdrawn_fen,
            )
            entitled = bonus - bonus * top_up.refunded_fen // principal
            spent = bonus - top_up.bonus_left_fen - top_up.withdrawn_fen - top_up.unused_fen
            assert spent + top_up.bonus_left_fen <= entitled + top_up.kept_back_fen
        assert min(
            top_up.principal_left_fen, top_up.bonus_left_fen, top_up.withdrawn_fen,
            principal - top_up.refunded_fen, bonus - top_up.withdrawn_fen - top_up.unused_fen,
        ) >= 0  # fmt: skip


def point_lots(values: list[tuple[int, date | None]]) -> list[PointLot]:
    return [
        PointLot(PointLotId(UUID(int=number + 1)), UUID(int=100 + number), left, left, ends, NOW)
        for number, (left, ends) in enumerate(values)
    ]


POINT_LOTS = st.lists(st.tuples(st.integers(1, 10_000), DAYS), min_size=1, max_size=8).map(
    point_lots
)


@given(POINT_LOTS, st.data())
def test_points_are_taken_by_their_end_and_return_exactly(
    lots: list[PointLot], data: st.DataObject
) -> None:
    whole = sum(lot.points_left for lot in lots)
    asked = data.draw(st.integers(0, whole + 100))
    taken = points.take(lots, asked)
    assert points.total(taken) == min(asked, whole)
    ends = {lot.lot_id: lot.expires_on or date.max for lot in lots}
    assert [ends[PointLotId(one.lot_id)] for one in taken] == sorted(
        ends[PointLotId(one.lot_id)] for one in taken
    )
    spent = [points.Part(one.lot_id, one.points, 0) for one in taken]
    for fen in cuts(data, min(asked, whole)):
        returned = {one.lot_id: one.points for one in points.put_back(spent, fen)}
        assert sum(returned.values()) == fen
        spent = [
            points.Part(one.lot_id, one.points, one.back + returned.get(one.lot_id, 0))
            for one in spent
        ]
    assert all(one.back == one.points for one in spent)


@given(
    st.integers(-100, 10**9),
    st.integers(0, 10**8),
    st.integers(1, 100_000),
    st.integers(0, 10_000),
)
def test_an_offer_never_exceeds_balance_share_or_worth(
    available: int, eligible: int, per_yuan: int, cap: int
) -> None:
    settings = PointsSettings(points_per_yuan=per_yuan, cap_bps=cap)
    offer = points.offer(available, eligible, settings)
    assert 0 <= offer.points <= max(available, 0)
    assert offer.discount_fen * 10_000 <= eligible * cap
    assert offer.discount_fen * per_yuan <= offer.points * 100
    assert (offer.points == 0) == (offer.discount_fen == 0)
    if offer.points:  # no point is wasted: one less would not be enough
        assert (offer.points - 1) * 100 < offer.discount_fen * per_yuan


@given(st.integers(0, 10**7), st.integers(0, 1_000), st.data())
def test_refunds_in_any_parts_leave_what_the_rest_would_have_earned(
    paid: int, per_yuan: int, data: st.DataObject
) -> None:
    earned, revoked, refunded = points.earned(paid, per_yuan), 0, 0
    for fen in cuts(data, data.draw(st.integers(0, paid)))[:20]:
        refunded += fen
        taken = earned - revoked - points.earned(paid - refunded, per_yuan)
        assert taken >= 0
        revoked += taken
    assert earned - revoked == points.earned(paid - refunded, per_yuan)
