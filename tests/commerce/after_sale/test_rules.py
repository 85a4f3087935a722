"""Pure decisions of after-sale."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from siyu.commerce.after_sale import rules
from siyu.commerce.after_sale.contracts import (
    Action,
    AlreadyClaimed,
    AmountOutOfRange,
    Case,
    CaseAsked,
    CaseSide,
    ExchangeRefused,
    Kind,
    LineAsked,
    MoveRefused,
    NotEligible,
    Payer,
    PicturesNeeded,
    Reason,
    ReasonNeeded,
    Restock,
    State,
    Terms,
)
from siyu.commerce.after_sale.rules import Ground, Piece
from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.ordering.contracts import OrderStatus
from siyu.kernel.errors import BadInput

NOW = datetime(2026, 6, 10, 4, 0, tzinfo=UTC)
TODAY = NOW.date()
START = State.REQUESTED
PHYSICAL, VIRTUAL = ProductKind.PHYSICAL, ProductKind.VIRTUAL


def piece(line_no: int = 1, quantity: int = 3, amount_fen: int = 100, **change: Any) -> Piece:
    fields = {"kind": PHYSICAL, "is_excluded": False}
    return Piece(line_no=line_no, quantity=quantity, amount_fen=amount_fen, **(fields | change))


def ground(
    status: OrderStatus = OrderStatus.SHIPPED, *pieces: Piece, received: int | None = None
) -> Ground:
    """`received`: so many days ago."""
    return Ground(
        status=status,
        received_on=None if received is None else TODAY - timedelta(days=received),
        today=TODAY,
        terms=Terms(),
        pieces=list(pieces) or [piece()],
        shipping_fen=1000,
    )


def asked(kind: Kind, reason: Reason, *lines: tuple[int, int], **change: Any) -> CaseAsked:
    wanted = [LineAsked(line_no=no, quantity=count) for no, count in lines or [(1, 1)]]
    return CaseAsked(kind=kind, reason=reason, lines=wanted, **change)


# --- the state table --------------------------------------------------------------------------


def steps_of(kind: Kind) -> dict[State, set[State]]:
    found: dict[State, set[State]] = {}
    for step in rules.STEPS:
        if kind in step.kinds:
            found.setdefault(step.before, set()).add(step.after)
    return found


REACHED = {
    Kind.REFUND_ONLY: {"requested", "refunding", "refunded", "rejected", "withdrawn"},
    Kind.RETURN_REFUND: {
        "requested", "approved", "returning", "received", "refunding", "refunded", "rejected",
        "withdrawn", "expired",
    },
    Kind.EXCHANGE: set(State),
}  # fmt: skip


@pytest.mark.parametrize("kind", Kind)
def test_every_state_is_reached_or_not_of_the_kind_and_ends_are_final(kind: Kind):
    moves, seen, waiting = steps_of(kind), {START}, [START]
    while waiting:
        for after in moves.get(waiting.pop(), set()) - seen:
            seen.add(after)
            waiting.append(after)
    assert seen == REACHED[kind]
    assert seen - moves.keys() == rules.ENDS & seen
    for state in moves:
        assert leads_to_an_end(moves, state), state


def leads_to_an_end(moves: dict[State, set[State]], state: State) -> bool:
    seen, waiting = {state}, [state]
    while waiting:
        here = waiting.pop()
        if here in rules.ENDS:
            return True
        new = moves.get(here, set()) - seen
        seen |= new
        waiting += new
    return False


def test_what_does_not_stand_in_the_table_is_refused():
    allowed = {
        (kind, step.before, step.action, side): step.after
        for step in rules.STEPS
        for kind in step.kinds
        for side in step.sides
    }
    assert len(allowed) == 35 == sum(len(s.kinds) * len(s.sides) for s in rules.STEPS)
    for found in itertools.product(Kind, State, Action, CaseSide):
        if found in allowed:
            assert rules.next_state(*found) is allowed[found]
        else:
            with pytest.raises(MoveRefused) as refused:
                rules.next_state(*found)
            assert refused.value.details == {"state": found[1]}


def case(kind: Kind, state: State, restock: Restock | None = None) -> Case:
    values: dict[str, Any] = dict.fromkeys(Case.__struct_fields__)
    return Case(**(values | {"kind": kind, "state": state, "restock": restock}))


def test_who_may_do_what():
    money, goods, swap = Kind.REFUND_ONLY, Kind.RETURN_REFUND, Kind.EXCHANGE
    staff, customer = CaseSide.STAFF, CaseSide.CUSTOMER

    def may(side: CaseSide, kind: Kind, state: State, restock: Restock | None = None) -> list[str]:
        return list(rules.actions(case(kind, state, restock), side))

    assert may(staff, money, START) == ["approve", "reject"]
    assert may(customer, money, START) == ["withdraw"]
    assert may(staff, money, START, Restock.SELLABLE) == ["approve"]
    assert may(customer, money, START, Restock.SELLABLE) == []
    assert may(staff, goods, State.APPROVED) == []
    assert may(customer, goods, State.APPROVED) == ["withdraw", "ship_back"]
    assert may(staff, goods, State.RETURNING) == ["pass", "fail"]
    assert may(staff, goods, State.RECEIVED, Restock.SELLABLE) == ["refund"]
    assert may(staff, swap, State.RECEIVED) == ["refund", "ship_exchange"]
    assert may(customer, swap, State.EXCHANGING) == ["confirm"]
    for kind, end, side in itertools.product(Kind, rules.ENDS, CaseSide):
        assert may(side, kind, end) == []


def test_every_step_has_its_words():
    assert {step.action for step in rules.STEPS} <= rules.LABELS.keys()
    assert all(zh and en for zh, en in rules.LABELS.values())
    assert set(rules.REASONS) == set(Reason)
    assert Reason.BY_SHOP not in rules.CUSTOMER_REASONS


def test_deadlines_of_each_state():
    terms = Terms(answer_hours=2, ship_back_days=3, inspect_days=4, confirm_days=5)
    waits = {state: rules.due_at(state, terms, NOW) for state in State}
    assert {state: at and at - NOW for state, at in waits.items() if at} == {
        State.REQUESTED: timedelta(hours=2),
        State.APPROVED: timedelta(days=3),
        State.RETURNING: timedelta(days=4),
        State.RECEIVED: timedelta(days=4),
        State.EXCHANGING: timedelta(days=5),
    }
    assert rules.longest(terms) == timedelta(days=12, hours=2)


@pytest.mark.parametrize("troubled", [False, True])
@pytest.mark.parametrize("unshipped", [False, True])
def test_time_only_does_what_the_table_lets_it(unshipped: bool, troubled: bool):
    for kind, state in itertools.product(Kind, State):
        if state not in REACHED[kind] or rules.due_at(state, Terms(), NOW) is None:
            continue
        action = rules.at_deadline(kind, state, is_unshipped=unshipped, is_troubled=troubled)
        if action is None:
            assert troubled or (state is START and not (kind is Kind.REFUND_ONLY and unshipped))
        else:
            rules.next_state(kind, state, action, CaseSide.TIME)


def test_silence_before_shipping_is_consent_and_afterwards_is_not():
    def late(kind: Kind, state: State, unshipped: bool, troubled: bool = False) -> Action | None:
        return rules.at_deadline(kind, state, is_unshipped=unshipped, is_troubled=troubled)

    assert late(Kind.REFUND_ONLY, START, True) is Action.APPROVE
    assert late(Kind.REFUND_ONLY, START, True, True) is None
    assert late(Kind.REFUND_ONLY, START, False) is None
    assert late(Kind.RETURN_REFUND, START, False) is None
    assert late(Kind.RETURN_REFUND, State.APPROVED, False) is Action.EXPIRE
    assert late(Kind.RETURN_REFUND, State.RETURNING, False) is Action.REFUND
    assert late(Kind.EXCHANGE, State.RECEIVED, False) is Action.REFUND
    assert late(Kind.EXCHANGE, State.RECEIVED, False, True) is None
    assert late(Kind.EXCHANGE, State.EXCHANGING, False) is Action.CONFIRM


# --- what an order allows ---------------------------------------------------------------------


def why(ground: Ground, request: CaseAsked) -> str:
    with pytest.raises(NotEligible) as refused:
        rules.check_asked(ground, request)
    return str(refused.value.details["why"])


@pytest.mark.parametrize(
    "status",
    sorted(set(OrderStatus) - {OrderStatus.PAID, OrderStatus.SHIPPED, OrderStatus.COMPLETED}),
)
def test_an_order_that_is_not_alive_allows_nothing(status: OrderStatus):
    land = ground(status)
    assert why(land, asked(Kind.REFUND_ONLY, Reason.NOT_WANTED)) == "order_state"
    assert rules.offer(land).kinds == []


def test_before_shipping_there_is_only_money():
    land = ground(OrderStatus.PAID)
    rules.check_asked(land, asked(Kind.REFUND_ONLY, Reason.NOT_WANTED))
    rules.check_asked(land, asked(Kind.REFUND_ONLY, Reason.BY_SHOP))
    assert why(land, asked(Kind.RETURN_REFUND, Reason.NOT_WANTED)) == "kind"
    assert why(land, asked(Kind.EXCHANGE, Reason.QUALITY)) == "kind"
    assert why(land, asked(Kind.REFUND_ONLY, Reason.QUALITY, picture_ids=[uuid4()])) == "reason"
    offer = rules.offer(land)
    assert offer.kinds == [Kind.REFUND_ONLY]
    assert offer.reasons == ["not_wanted", "ordered_wrong", "not_shipped", "agreed"]
    assert [line.returnable for line in offer.lines] == [False]


def test_after_shipping_goods_come_back():
    land = ground()
    rules.check_asked(land, asked(Kind.RETURN_REFUND, Reason.NOT_WANTED))
    rules.check_asked(land, asked(Kind.EXCHANGE, Reason.DOES_NOT_FIT))
    rules.check_asked(land, asked(Kind.REFUND_ONLY, Reason.NOT_RECEIVED))
    assert why(land, asked(Kind.REFUND_ONLY, Reason.NOT_WANTED)) == "reason"
    assert why(land, asked(Kind.EXCHANGE, Reason.NOT_WANTED)) == "reason"
    assert why(land, asked(Kind.REFUND_ONLY, Reason.NOT_SHIPPED)) == "reason"
    offer = rules.offer(land)
    assert offer.kinds == list(Kind)
    assert set(offer.reasons) == set(rules.CUSTOMER_REASONS) - {Reason.NOT_SHIPPED}
    assert [line.returnable for line in offer.lines] == [True]


def test_a_fault_is_shown_by_pictures():
    for reason in (Reason.QUALITY, Reason.DAMAGED, Reason.WRONG_GOODS, Reason.NOT_AS_DESCRIBED):
        with pytest.raises(PicturesNeeded):
            rules.check_asked(ground(), asked(Kind.REFUND_ONLY, reason))
        shown = asked(Kind.REFUND_ONLY, reason, picture_ids=[uuid4()])
        rules.check_asked(ground(), shown)
        assert rules.REASONS[reason].freight_by is Payer.SHOP


def test_days_count_from_the_one_after_receipt():
    done = OrderStatus.COMPLETED
    assert rules.is_in_time(ground(done, received=7), True)
    assert not rules.is_in_time(ground(done, received=8), True)
    assert rules.is_in_time(ground(done, received=15), False)
    assert not rules.is_in_time(ground(done, received=16), False)
    assert rules.is_in_time(ground(OrderStatus.SHIPPED), True)


def test_after_seven_days_only_faults_and_after_fifteen_nothing():
    land = ground(OrderStatus.COMPLETED, received=8)
    assert why(land, asked(Kind.RETURN_REFUND, Reason.NOT_WANTED)) == "time_over"
    shown = asked(Kind.RETURN_REFUND, Reason.QUALITY, picture_ids=[uuid4()])
    rules.check_asked(land, shown)
    offer = rules.offer(land)
    assert Reason.NOT_WANTED not in offer.reasons and Reason.QUALITY in offer.reasons
    assert [line.returnable for line in offer.lines] == [False]

    land = ground(OrderStatus.COMPLETED, received=16)
    assert why(land, shown) == "time_over"
    assert (rules.offer(land).kinds, rules.offer(land).reasons) == ([], [])
    rules.check_asked(land, asked(Kind.REFUND_ONLY, Reason.BY_SHOP))


def test_goods_that_cannot_be_returned():
    ticket, fruit = piece(1, kind=VIRTUAL), piece(2, is_excluded=True)
    land = ground(OrderStatus.SHIPPED, ticket, fruit, piece(3))
    assert why(land, asked(Kind.RETURN_REFUND, Reason.NOT_WANTED)) == "nothing_to_return"
    assert why(land, asked(Kind.RETURN_REFUND, Reason.NOT_WANTED, (2, 1))) == "not_returnable"
    shown = asked(Kind.RETURN_REFUND, Reason.QUALITY, (2, 1), picture_ids=[uuid4()])
    rules.check_asked(land, shown)
    rules.check_asked(land, asked(Kind.RETURN_REFUND, Reason.NOT_WANTED, (3, 1)))
    assert [line.returnable for line in rules.offer(land).lines] == [False, False, True]
    assert rules.offer(ground(OrderStatus.SHIPPED, ticket)).kinds == [Kind.REFUND_ONLY]


def test_pieces_are_claimed_once():
    land = ground(OrderStatus.SHIPPED, piece(1, quantity=2), piece(2, quantity=0))
    with pytest.raises(AlreadyClaimed) as refused:
        rules.check_asked(land, asked(Kind.RETURN_REFUND, Reason.NOT_WANTED, (1, 3)))
    assert refused.value.details == {"line_no": 1, "left": 2}
    with pytest.raises(AlreadyClaimed):
        rules.check_asked(land, asked(Kind.RETURN_REFUND, Reason.NOT_WANTED, (2, 1)))
    for lines in ([(1, 1), (1, 1)], [(9, 1)]):
        assert why(land, asked(Kind.RETURN_REFUND, Reason.NOT_WANTED, *lines)) == (
            "nothing_to_return"
        )
    assert rules.offer(ground(OrderStatus.SHIPPED, piece(1, 0, 0))).kinds == []


def sku(product_id: UUID, price_fen: int = 100, on_shelf: bool = True) -> SkuForSale:
    values: dict[str, Any] = dict.fromkeys(SkuForSale.__struct_fields__)
    known = {"product_id": product_id, "price_fen": price_fen, "on_shelf": on_shelf}
    return SkuForSale(**(values | known))


def test_a_replacement_is_the_same_product_at_the_same_price():
    mine, other = uuid4(), uuid4()
    rules.check_replacement(sku(mine, on_shelf=False), sku(mine))
    for bought, wanted in [
        (sku(mine), sku(other)),
        (sku(mine), sku(mine, price_fen=101)),
        (sku(mine), sku(mine, on_shelf=False)),
        (sku(mine), None),
        (None, sku(mine)),
    ]:
        with pytest.raises(ExchangeRefused):
            rules.check_replacement(bought, wanted)


def test_terms_must_agree_with_each_other():
    one, two = sorted([uuid4(), uuid4()])
    kept = rules.check_terms(Terms(not_returnable=[two, one, two]))
    assert kept.not_returnable == [one, two]
    with pytest.raises(BadInput):
        rules.check_terms(Terms(no_reason_days=30, quality_days=29))


# --- money ------------------------------------------------------------------------------------


def test_shipping_goes_back_with_the_last_of_an_order():
    two = [piece(1, 2), piece(2, 1)]
    whole, part = ((1, 2), (2, 1)), ((1, 2),)

    def cap(status: OrderStatus, reason: Reason, *lines: tuple[int, int]) -> int:
        return rules.shipping_cap_fen(ground(status, *two), asked(Kind.REFUND_ONLY, reason, *lines))

    assert cap(OrderStatus.PAID, Reason.NOT_WANTED, *whole) == 1000
    assert cap(OrderStatus.PAID, Reason.NOT_WANTED, *part) == 0
    assert cap(OrderStatus.SHIPPED, Reason.NOT_WANTED, *whole) == 0
    assert cap(OrderStatus.SHIPPED, Reason.QUALITY, *whole) == 1000
    assert cap(OrderStatus.SHIPPED, Reason.QUALITY, *part) == 0
    rest = ground(OrderStatus.PAID, piece(1, 0, 0), piece(2, 1))
    last = asked(Kind.REFUND_ONLY, Reason.NOT_WANTED, (2, 1))
    assert rules.shipping_cap_fen(rest, last) == 1000


def test_the_last_pieces_give_back_the_rest():
    assert [rules.cap_fen(piece(1, 3, 100), n) for n in (1, 2, 3)] == [33, 66, 100]
    assert rules.cap_fen(piece(1, 2, 67), 1) == 33
    assert rules.cap_fen(piece(1, 1, 34), 1) == 34
    assert rules.cap_fen(piece(1, 1, 0), 1) == 0


def test_an_amount_lies_within_what_can_be_given_back():
    assert rules.choose_amount(100, None) == 100
    assert [rules.choose_amount(100, n) for n in (1, 100)] == [1, 100]
    assert rules.choose_amount(0, 0) == 0
    for cap, amount in [(100, 0), (100, 101), (0, 1)]:
        with pytest.raises(AmountOutOfRange) as refused:
            rules.choose_amount(cap, amount)
        assert refused.value.details == {"most_fen": cap}


def test_less_than_was_asked_for_needs_a_word():
    def settle(given: int | None, text: str = "", kind: Kind = Kind.REFUND_ONLY) -> int:
        return rules.settle_amount(kind, 100, 0 if kind is Kind.EXCHANGE else 60, given, text)

    assert (settle(None), settle(60), settle(100)) == (60, 60, 100)
    assert settle(59, "已使用") == 59
    for text in ("", "  "):
        with pytest.raises(ReasonNeeded):
            settle(59, text)
    with pytest.raises(AmountOutOfRange):
        settle(101, "多退")
    assert settle(None, kind=Kind.EXCHANGE) == 100
    with pytest.raises(ReasonNeeded):
        settle(99, kind=Kind.EXCHANGE)


def test_an_amount_is_shared_by_what_each_part_can_give_back():
    assert rules.share_amount(100, [60, 40], 0) == ([60, 40], 0)
    assert rules.share_amount(110, [60, 40], 10) == ([60, 40], 10)
    assert rules.share_amount(11, [60, 40], 10) == ([6, 4], 1)
    assert rules.share_amount(0, [60, 40], 10) == ([0, 0], 0)
    assert rules.share_amount(0, [0, 0], 0) == ([0, 0], 0)
