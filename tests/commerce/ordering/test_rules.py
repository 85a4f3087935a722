"""Decisions of ordering."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.ordering import rules
from siyu.commerce.ordering.contracts import (
    CancelReason,
    Delivery,
    LineAsked,
    MoveRefused,
    NothingToBuy,
    OrderStatus,
    Platform,
    QuantityTooLarge,
    SkuNotFound,
    SkuUnavailable,
    VirtualOnIos,
)
from siyu.commerce.ordering.service import delivery

TEA, CUP = UUID(int=1), UUID(int=2)


def sku(sku_id: UUID, kind: ProductKind = ProductKind.PHYSICAL, on_shelf: bool = True):
    return SkuForSale(sku_id, sku_id, 1, "茶", kind, [], None, 100, None, None, on_shelf)


def test_the_state_table_is_complete():
    assert set(rules.MOVES) == set(OrderStatus)
    reached = {OrderStatus.PENDING_PAYMENT}
    while more := {to for status in reached for to in rules.MOVES[status]} - reached:
        reached |= more
    assert reached == set(OrderStatus), "every state can be reached"


def test_every_end_is_final():
    assert rules.MOVES[OrderStatus.REFUNDED] == frozenset()
    assert rules.MOVES[OrderStatus.COMPLETED] == frozenset({OrderStatus.REFUNDED})
    # Only money that was already on its way opens a cancelled order again (F015).
    assert rules.MOVES[OrderStatus.CANCELLED] == frozenset({OrderStatus.PAID})
    for status in OrderStatus:
        assert status not in rules.MOVES[status]
        assert OrderStatus.PENDING_PAYMENT not in rules.MOVES[status]


def test_a_move_outside_the_table_is_refused():
    rules.check_move(OrderStatus.PENDING_PAYMENT, OrderStatus.PAID)
    for status, to in [
        (OrderStatus.PAID, OrderStatus.CANCELLED),
        (OrderStatus.CANCELLED, OrderStatus.SHIPPED),
        (OrderStatus.COMPLETED, OrderStatus.PAID),
    ]:
        with pytest.raises(MoveRefused) as refused:
            rules.check_move(status, to)
        assert refused.value.details == {"status": status}


def test_every_timeline_event_has_a_label():
    ends = {delivery.RECEIVED, delivery.RECEIVED_BY_TIME, delivery.COMPLETED, delivery.DELIVERED}
    assert set(CancelReason) | ends <= set(rules.LABELS)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([ProductKind.VIRTUAL, ProductKind.SERVICE, ProductKind.PHYSICAL], Delivery.SHIP),
        ([ProductKind.VIRTUAL, ProductKind.SERVICE], Delivery.SERVE),
        ([ProductKind.VIRTUAL], Delivery.INSTANT),
    ],
)
def test_one_thing_to_send_decides_how_an_order_arrives(kinds, expected):
    skus = [sku(TEA, kind) for kind in kinds]
    assert rules.delivery_of(skus) is expected
    collected = Delivery.PICKUP if expected is Delivery.SHIP else expected
    assert rules.delivery_of(skus, is_collected=True) is collected


def test_the_customer_confirms_what_was_sent_or_served():
    allowed = {
        (status, delivery)
        for status in OrderStatus
        for delivery in Delivery
        if rules.may_confirm(status, delivery)
    }
    sent = {(OrderStatus.SHIPPED, delivery) for delivery in set(Delivery) - {Delivery.GIFT}}
    assert allowed == sent | {(OrderStatus.PAID, Delivery.SERVE)}


def test_F042_lines_of_one_sku_count_together():
    lines = [LineAsked(TEA, 2), LineAsked(CUP, 1), LineAsked(TEA, 3)]
    assert rules.merge_lines(lines) == [LineAsked(TEA, 5), LineAsked(CUP, 1)]
    with pytest.raises(QuantityTooLarge):
        rules.merge_lines([LineAsked(TEA, 999), LineAsked(TEA, 1)])


def test_a_basket_is_neither_empty_nor_endless():
    with pytest.raises(NothingToBuy):
        rules.merge_lines([])
    hundred = [LineAsked(UUID(int=i), 1) for i in range(1, 101)]
    assert len(rules.merge_lines(hundred)) == 100
    with pytest.raises(NothingToBuy):
        rules.merge_lines([*hundred, LineAsked(UUID(int=200), 1)])


def test_skus_come_in_the_order_of_the_lines():
    asked = [LineAsked(CUP, 1), LineAsked(TEA, 1)]
    assert rules.match_skus(asked, [sku(TEA), sku(CUP)]) == [sku(CUP), sku(TEA)]
    with pytest.raises(SkuNotFound) as missing:
        rules.match_skus(asked, [sku(TEA)])
    assert missing.value.details == {"sku_ids": [str(CUP)]}
    with pytest.raises(SkuUnavailable) as gone:
        rules.match_skus(asked, [sku(TEA, on_shelf=False), sku(CUP)])
    assert gone.value.details == {"sku_ids": [str(TEA)]}


def test_F024_no_virtual_goods_on_ios():
    virtual = sku(TEA, ProductKind.VIRTUAL)
    with pytest.raises(VirtualOnIos):
        rules.check_platform(Platform.IOS, [sku(CUP), virtual])
    rules.check_platform(Platform.IOS, [sku(CUP), sku(TEA, ProductKind.SERVICE)])
    rules.check_platform(Platform.H5, [virtual])
    rules.check_platform(Platform.MINI_PROGRAM, [virtual])


def test_order_numbers_are_read_as_people_say_them():
    number = rules.order_number(bytes(range(100, 110)))
    assert len(number) == 19
    assert rules.read_order_number(number) == number
    assert rules.read_order_number(number.lower().replace("-", " ")) == number
    assert rules.read_order_number(rules.order_number(b"\0" * 10).replace("0", "O")) == "-".join(
        ["0000"] * 4
    )
    assert rules.order_number(b"\xff" * 10) == "ZZZZ-ZZZZ-ZZZZ-ZZZZ"
    for text in ("", "13812345678", "ABCD-EFGH-JKMN-PQR", "ABCD-EFGH-JKMN-PQRU", "铁观音"):
        assert rules.read_order_number(text) is None


def test_the_last_moment_to_pay_is_in_time():
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    assert not rules.is_overdue(moment, moment)
    assert rules.is_overdue(moment, moment + timedelta(microseconds=1))
    assert not rules.is_overdue(None, moment)
