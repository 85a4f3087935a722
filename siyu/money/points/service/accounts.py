"""Verbs of points. All run inside the caller's transaction.

Every verb that moves points first locks the member's account; what it decides after that nobody
else can change before the commit (F059). Holds end by `capture` or `release` alone, never by time:
an order that waits for WeChat's word keeps its points (F016).
"""

from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.kernel.money import MAX_FEN
from siyu.merchant.shops import service as shops
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, HoldId, Leg
from siyu.money.points import queries, rules
from siyu.money.points.contracts import (
    MAX_POINTS,
    Lot,
    NothingToAdjust,
    Points,
    PointsEarned,
    PointsExpired,
    PointsMovement,
    PointsMovementKind,
    PointsOffer,
    PointsRevoked,
    PointsSettings,
    PointsShort,
    PointsSpent,
    PointsSwitchedOff,
    SpendingState,
)
from siyu.people.members import service as members

POINT = "POINT"


async def get_settings(tx: ReadTx) -> PointsSettings:
    """The shop's rules."""
    return await queries.get_settings(tx)


async def set_settings(tx: Tx, actor: Actor, settings: PointsSettings) -> PointsSettings:
    """Change the shop's rules, from now on; audited. Raises BadPointsSetting."""
    rules.check_settings(settings)
    before = await queries.get_settings(tx)
    await queries.upsert_settings(tx, settings)
    audit(
        tx,
        actor,
        "points.settings_changed",
        ("shop", tx.shop_id),
        before=msgspec.structs.asdict(before),
        after=msgspec.structs.asdict(settings),
    )
    return settings


async def get_points(tx: ReadTx, member_id: UUID) -> Points:
    """A member's points as of today."""
    [found] = await queries.list_standings(tx, [member_id], await today_of(tx))
    return _points(found)


async def list_accounts(
    tx: ReadTx, ending_within: timedelta | None, before: UUID | None, limit: int
) -> list[tuple[UUID, Points]]:
    """Members who ever had points and what they have today, those who joined last first.
    ending_within: only who has points that end so soon; before: the last member already seen."""
    today = await today_of(tx)
    ending_by = today + ending_within if ending_within is not None else None
    members = await queries.list_members(tx, today, ending_by, before, limit)
    found = await queries.list_standings(tx, members, today)
    return [(one.member_id, _points(one)) for one in found]


def _points(found: queries.Standing) -> Points:
    return Points(
        balance=found.points_left - found.below_zero,
        held=found.held,
        owed=found.owed,
        next_expiry_on=found.next_expiry_on,
        next_expiry_points=found.next_expiry_points,
    )


async def list_lots(tx: ReadTx, member_id: UUID) -> list[Lot]:
    """The points a member may spend, those first that end first."""
    return await queries.list_lots(tx, member_id, await today_of(tx))


async def list_statement(
    tx: ReadTx, member_id: UUID, before_no: int | None, limit: int
) -> list[PointsMovement]:
    """The lines that explain each point, newest first; `before_no` is the last one seen."""
    return await queries.list_movements(tx, member_id, before_no, limit)


# --- as a tender ----------------------------------------------------------------------------------


async def quote(tx: ReadTx, member_id: UUID, eligible_fen: int) -> PointsOffer:
    """How many points a member may use on goods of `eligible_fen` (after all other reductions,
    without shipping), and what they take off."""
    settings = await queries.get_settings(tx)
    if not settings.is_enabled:
        return PointsOffer(0, 0)
    return rules.offer((await get_points(tx, member_id)).balance, eligible_fen, settings)


async def hold(
    tx: Tx, *, member_id: UUID, order_id: UUID, points: int, expires_at: datetime | None = None
) -> None:
    """Reserve points for an order; harmless when repeated. What ends first is used first.

    expires_at: when the order should have been paid. Raises PointsShort, PointsSwitchedOff.
    """
    assert 0 < points <= MAX_POINTS
    if not (await queries.get_settings(tx)).is_enabled:
        raise PointsSwitchedOff
    today = await today_of(tx)
    account = await queries.lock_account(tx, member_id)
    known = await queries.get_spending(tx, order_id)
    if known is not None:
        assert (known.member_id, known.points) == (member_id, points), "held for something else"
        return
    lots = await queries.list_lots(tx, member_id, today)
    available = sum(lot.points_left for lot in lots) - account.below_zero
    if available < points:
        raise PointsShort(available=max(available, 0), wanted=points)
    spending_id = new_id()
    hold_id = await ledger.hold(
        tx,
        key=f"points:{spending_id}",
        book=Book.POINTS,
        owner=member_id,
        amount=points,
        asset=POINT,
        order_id=order_id,
    )
    spending = queries.Spending(
        spending_id=spending_id,
        order_id=order_id,
        member_id=member_id,
        state=SpendingState.HELD,
        points=points,
        hold_id=hold_id,
        back=0,
    )
    await queries.insert_spending(tx, spending, rules.take(lots, points), expires_at)


async def capture(tx: Tx, order_id: UUID) -> int:
    """The order is paid: its points are spent. How many these are, 0 when it holds none; harmless
    when repeated."""
    spending = await _lock_spending(tx, order_id)
    if spending is None:
        return 0
    if not await queries.move_spending(tx, spending.spending_id, SpendingState.CAPTURED):
        return spending.points
    entry = _entry(
        f"points_spent:{spending.spending_id}",
        "points_spent",
        spending.member_id,
        -spending.points,
        order_id,
        spending.spending_id,
    )
    await ledger.settle_hold(tx, HoldId(spending.hold_id), entry)
    await queries.insert_movement(
        tx, spending.member_id, PointsMovementKind.SPENT, -spending.points, order_id=order_id
    )
    emit(
        tx,
        PointsSpent(
            person_no=await _person_no(tx, spending.member_id),
            member_id=spending.member_id,
            order_id=order_id,
            points=spending.points,
        ),
    )
    return spending.points


async def release(tx: Tx, order_id: UUID) -> None:
    """The order ended unpaid: its points go back to the record they were held of."""
    spending = await _lock_spending(tx, order_id)
    if spending is None:
        return
    assert spending.state is SpendingState.HELD, "spent points come back by `give_back`"
    await queries.move_spending(tx, spending.spending_id, SpendingState.RELEASED)
    await queries.move_lots_back(tx, spending.spending_id)
    await ledger.void_hold(tx, HoldId(spending.hold_id))
    await settle_debts(tx, spending.member_id)


async def give_back(tx: Tx, order_id: UUID, refund_id: UUID, points: int) -> None:
    """A refund puts spent points back into the lots of the record they came from."""
    spending = await _lock_spending(tx, order_id)
    assert spending is not None and spending.state is SpendingState.CAPTURED, "nothing was spent"
    if await queries.has_given_back(tx, refund_id):
        return
    assert 0 < points <= spending.points - spending.back, "more points come back than were spent"
    settings, today = await queries.get_settings(tx), await today_of(tx)
    returned = rules.put_back(await queries.list_parts(tx, spending.spending_id), points)
    good_until = today + timedelta(days=settings.grace_days)
    await queries.insert_give_back(tx, refund_id, spending.spending_id, returned, today, good_until)
    key, member_id = f"points_back:{refund_id}", spending.member_id
    await ledger.post(tx, _entry(key, "points_given_back", member_id, points, order_id, refund_id))
    await queries.insert_movement(
        tx, member_id, PointsMovementKind.GIVEN_BACK, points, order_id=order_id
    )
    await settle_debts(tx, member_id)


async def _lock_spending(tx: Tx, order_id: UUID) -> queries.Spending | None:
    found = await queries.get_spending(tx, order_id)
    if found is not None:
        await queries.lock_account(tx, found.member_id)
        found = await queries.get_spending(tx, order_id)
    return found


# --- as a reward ----------------------------------------------------------------------------------


async def earn(tx: Tx, *, member_id: UUID, order_id: UUID, eligible_fen: int) -> int:
    """An order was received: grant its points, once. How many these are.

    eligible_fen: what was paid for the goods, refunded parts included; what `revoke` has told or
    will tell of the order is taken off here.
    """
    assert 0 <= eligible_fen <= MAX_FEN
    settings, today = await queries.get_settings(tx), await today_of(tx)
    await queries.lock_account(tx, member_id)
    earning = await queries.upsert_refunded(tx, order_id, member_id, 0)
    if earning.earned_at is not None:
        return earning.earned
    per_yuan = settings.earned_per_yuan if settings.is_enabled else 0
    points = min(rules.earned(eligible_fen - earning.refunded_fen, per_yuan), MAX_POINTS)
    await queries.move_earned(tx, order_id, eligible_fen, per_yuan, points)
    if points:
        expires_on = clock.month_end(today, settings.expiry_months)
        await queries.insert_lot(tx, new_id(), member_id, order_id, points, expires_on)
        key = f"points_earned:{order_id}"
        await ledger.post(tx, _entry(key, "points_earned", member_id, points, order_id, order_id))
        await queries.insert_movement(
            tx,
            member_id,
            PointsMovementKind.EARNED,
            points,
            order_id=order_id,
            expires_on=expires_on,
        )
        emit(
            tx,
            PointsEarned(
                person_no=await _person_no(tx, member_id),
                member_id=member_id,
                order_id=order_id,
                points=points,
            ),
        )
        await settle_debts(tx, member_id)
    return points


async def revoke(
    tx: Tx, *, member_id: UUID, order_id: UUID, refund_id: UUID, refunded_fen: int
) -> int:
    """A refund takes back what the refunded part has earned, once per refund (F058). How many
    points that are; what remains is exactly what the kept part would have earned.

    The order's own points go first, then those that end first. What was spent already is either a
    balance below zero (where the shop allows it) or owed; both are set off against the next
    points. Points of the order that ended unspent count as taken back.
    refunded_fen: on the same basis as `earn`. May come before the receipt.
    """
    assert 0 <= refunded_fen <= MAX_FEN
    settings, today = await queries.get_settings(tx), await today_of(tx)
    await queries.lock_account(tx, member_id)
    known = await queries.get_revoked(tx, refund_id)
    if known is not None:
        return known
    earning = await queries.upsert_refunded(tx, order_id, member_id, refunded_fen)
    points = forgone = 0
    if earning.eligible_fen is not None and earning.per_yuan is not None:
        kept = rules.earned(earning.eligible_fen - earning.refunded_fen, earning.per_yuan)
        points = max(earning.earned - earning.revoked - kept, 0)
    if points:
        lots = await queries.list_lots(tx, member_id, today)
        own = sum(lot.points_left for lot in lots if lot.order_id == order_id)
        ended = await queries.get_expired_of_order(tx, order_id) - earning.forgone
        forgone = min(max(points - own, 0), ended)
    await queries.insert_revocation(tx, refund_id, order_id, refunded_fen, points, forgone)
    if points > forgone:
        taken = rules.take(lots, points - forgone, first=order_id)
        shortfall = points - forgone - rules.total(taken)
        await queries.move_lots(tx, taken)
        await _book_revoked(tx, settings, member_id, order_id, refund_id, taken, shortfall)
    return points


async def _book_revoked(
    tx: Tx,
    settings: PointsSettings,
    member_id: UUID,
    order_id: UUID,
    refund_id: UUID,
    taken: list[rules.Taken],
    shortfall: int,
) -> None:
    booked, owed = rules.total(taken), 0
    if shortfall and settings.negative_allowed:
        await ledger.set_floor(tx, Book.POINTS, member_id, None, POINT)
        await queries.move_debts(tx, member_id, shortfall, 0)
        booked += shortfall
    elif shortfall:
        owed = shortfall
        await queries.move_debts(tx, member_id, 0, owed)
    await queries.insert_movement(
        tx, member_id, PointsMovementKind.REVOKED, -booked, owed=owed, order_id=order_id
    )
    if booked:
        key = f"points_revoked:{refund_id}"
        await ledger.post(
            tx, _entry(key, "points_revoked", member_id, -booked, order_id, refund_id)
        )
    emit(
        tx,
        PointsRevoked(
            person_no=await _person_no(tx, member_id),
            member_id=member_id,
            order_id=order_id,
            refund_id=refund_id,
            points=booked,
            shortfall=shortfall,
        ),
    )


async def settle_debts(tx: Tx, member_id: UUID) -> None:
    """Points have come: fill what is below zero, then set off what is owed. The account is
    locked."""
    account = await queries.lock_account(tx, member_id)
    if not account.below_zero and not account.owed:
        return
    lots = await queries.list_lots(tx, member_id, await today_of(tx))
    taken = rules.take(lots, account.below_zero + account.owed)
    filled = min(rules.total(taken), account.below_zero)
    set_off = rules.total(taken) - filled
    await queries.move_lots(tx, taken)
    await queries.move_debts(tx, member_id, -filled, -set_off)
    if set_off:
        number = await queries.insert_movement(
            tx, member_id, PointsMovementKind.SET_OFF, -set_off, owed=-set_off
        )
        key = f"points_set_off:{member_id}:{number}"
        await ledger.post(tx, _entry(key, "points_set_off", member_id, -set_off))


# --- by staff and by time -------------------------------------------------------------------------


async def adjust(tx: Tx, actor: Actor, member_id: UUID, delta: int, reason: str) -> Points:
    """Give or take points by hand, with a reason; audited. Raises NothingToAdjust, PointsShort."""
    assert abs(delta) <= MAX_POINTS
    if not delta:
        raise NothingToAdjust
    settings, today = await queries.get_settings(tx), await today_of(tx)
    account = await queries.lock_account(tx, member_id)
    expires_on = None
    if delta > 0:
        expires_on = clock.month_end(today, settings.expiry_months)
        await queries.insert_lot(tx, new_id(), member_id, None, delta, expires_on)
    else:
        lots = await queries.list_lots(tx, member_id, today)
        available = sum(lot.points_left for lot in lots) - account.below_zero
        if available < -delta:
            raise PointsShort(available=max(available, 0), wanted=-delta)
        await queries.move_lots(tx, rules.take(lots, -delta))
    number = await queries.insert_movement(
        tx, member_id, PointsMovementKind.ADJUSTED, delta, expires_on=expires_on, note=reason
    )
    key = f"points_adjusted:{member_id}:{number}"
    await ledger.post(tx, _entry(key, "points_adjusted", member_id, delta, note=reason))
    audit(
        tx,
        actor,
        "points.adjusted",
        ("member", member_id),
        after={"points": delta, "reason": reason},
    )
    if delta > 0:
        await settle_debts(tx, member_id)
    return await get_points(tx, member_id)


async def expire(tx: Tx, member_id: UUID) -> int:
    """End a member's points whose last day is over; how many these were. Harmless when
    repeated."""
    await queries.lock_account(tx, member_id)
    points = await queries.move_lots_over(tx, member_id, await today_of(tx))
    if points:
        number = await queries.insert_movement(tx, member_id, PointsMovementKind.EXPIRED, -points)
        key = f"points_expired:{member_id}:{number}"
        await ledger.post(tx, _entry(key, "points_expired", member_id, -points))
        person_no = await _person_no(tx, member_id)
        emit(tx, PointsExpired(person_no=person_no, member_id=member_id, points=points))
    return points


# --- small things ---------------------------------------------------------------------------------


def _entry(
    key: str,
    kind: str,
    member_id: UUID,
    points: int,
    order_id: UUID | None = None,
    ref: UUID | None = None,
    note: str = "",
) -> Entry:
    """An entry that gives (points > 0) or takes points."""
    legs = [
        Leg(Book.POINTS, -points, member_id, POINT),
        Leg(Book.POINTS_ISSUED, points, None, POINT),
    ]
    return Entry(key, kind, legs, order_id=order_id, ref=ref, note=note)


async def _person_no(tx: ReadTx, member_id: UUID) -> int:
    return (await members.get_member(tx, member_id)).person_no


async def today_of(tx: ReadTx) -> date:
    """The business day of the shop."""
    return clock.business_day(clock.now(), await shops.get_time_zone(tx))
