"""Who earns how much: pure decisions, pinned to the fen."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.commerce.ordering.contracts import SoldLine
from siyu.kernel.ids import new_id
from siyu.money.profit_sharing import rules
from siyu.money.profit_sharing.contracts import (
    BadReceiver,
    BadRule,
    PartState,
    ReceiverKind,
    Relation,
    Rule,
    RuleDraft,
    Scope,
    Settings,
    Tie,
    Trigger,
    Way,
)
from siyu.money.profit_sharing.rules import Slice
from siyu.wechat.pay.contracts import ReceiverType, Share, ShareResult

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
A, B, C, P1, P2, R1 = (new_id() for _ in range(6))


def rule(share_bps: int, **change: Any) -> Rule:
    fields: dict[str, Any] = {
        "rule_id": new_id(),
        "title": "规则",
        "scope": Scope.LEADER,
        "share_bps": share_bps,
        "way": Way.SPLIT,
        "trigger": Trigger.RECEIPT,
        "after_days": None,
        "product_id": None,
        "level": None,
        "receiver_id": R1,
        "is_active": True,
        "created_at": NOW,
    }
    return Rule(**(fields | change))


def promoter_rule(share_bps: int, level: int, way: Way = Way.BALANCE) -> Rule:
    return rule(share_bps, scope=Scope.PROMOTER, level=level, receiver_id=None, way=way)


# -- amounts -------------------------------------------------------------------------------------


def test_F038_three_receivers_share_100_fen() -> None:
    assert rules.share_fen(100, [1, 1, 1]) == [0, 0, 0]
    assert rules.share_fen(100, [3333, 3333, 3334]) == [33, 33, 34]
    assert rules.share_fen(100, [3000, 3000, 3000]) == [30, 30, 30]
    assert rules.share_fen(101, [3333, 3333, 3333]) == [34, 33, 33]
    assert rules.share_fen(0, [5000]) == [0]
    assert rules.share_fen(100, []) == []


def test_F038_parts_and_rest_add_up_a_million_times() -> None:
    """Error 0 fen, for every base and any ratios; and never above the ratio asked for."""
    draw = random.Random(38)
    ratios = [[draw.randint(1, 3000) for _ in range(draw.randint(1, 6))] for _ in range(100)]
    bases = [*range(2_000), *(draw.randint(0, 10**10) for _ in range(8_000))]
    share = rules.share_fen
    for shares in ratios:
        whole = sum(shares)
        count = len(shares)
        for base in bases:
            parts = share(base, shares)
            # The whole share is the ratio rounded down; no part is further than a fen from its own.
            assert sum(parts) == base * whole // 10_000 and min(parts) >= 0
            assert parts[0] <= base * shares[0] // 10_000 + 1 and len(parts) == count
    assert len(ratios) * len(bases) == 10**6


@given(
    base_fen=st.integers(0, 10**10),
    shares=st.lists(st.integers(1, 10_000), min_size=1, max_size=12),
)
def test_no_part_is_further_than_a_fen_from_its_own_share(base_fen: int, shares: list[int]) -> None:
    for part, share in zip(rules.share_fen(base_fen, shares), shares, strict=True):
        assert -1 <= part - base_fen * share // 10_000 <= 1


@given(
    total=st.integers(1, 10**8),
    refunds=st.lists(st.integers(0, 10**8), min_size=1, max_size=5),
    shares=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 2000)), max_size=8),
)
def test_F031_refunds_only_ever_shrink_and_a_full_one_leaves_nothing(
    total: int, refunds: list[int], shares: list[tuple[str, int]]
) -> None:
    slices = [Slice(pool, total, share) for pool, share in shares]
    before = rules.targets(slices, 0, total)
    gone = 0
    for refund in refunds:
        gone = min(total, gone + refund)
        now = rules.targets(slices, gone, total)
        for pool in {pool for pool, _ in shares}:
            places = [place for place, one in enumerate(slices) if one.pool == pool]
            left = sum(now[place] for place in places)
            assert left <= sum(before[place] for place in places)
            assert left <= total - gone or gone == 0
        before = now
    assert rules.targets(slices, total, total) == [0] * len(slices)


def test_fees_and_what_may_be_split() -> None:
    assert [rules.fee_fen(amount, 60) for amount in (0, 82, 84, 690, 10_000)] == [0, 0, 1, 4, 60]
    settings = Settings()
    assert rules.may_be_split(3_000, 0, 0, 10_000, 0, settings)
    assert not rules.may_be_split(3_001, 0, 0, 10_000, 0, settings)
    assert not rules.may_be_split(1, 3_000, 3_000, 10_000, 0, settings), "given back or not"
    wide = Settings(max_ratio_bps=10_000)
    assert rules.may_be_split(9_940, 0, 0, 10_000, 0, wide)
    assert not rules.may_be_split(9_941, 0, 0, 10_000, 0, wide)
    assert not rules.may_be_split(4_971, 0, 0, 10_000, 5_000, wide)
    assert rules.may_be_split(970, 8_000, 4_000, 10_000, 5_000, wide)


def test_refunds_that_fit_the_frozen_money() -> None:
    settings = Settings()
    assert rules.fits_frozen(10_000, 0, 10_000, settings), "all of it, and the fee comes back"
    assert rules.fits_frozen(9_999, 1, 10_000, settings)
    assert rules.fits_frozen(6_970, 29, 7_000, settings)
    assert not rules.fits_frozen(6_970, 3_030, 7_000 - 12, settings)
    assert not rules.fits_frozen(7_001, 2_999, 7_000, settings)


def test_where_the_money_of_failed_parts_is() -> None:
    assert rules.has_left_the_freeze(900, 10_000, 9_040, 60), "9100 are ours to keep frozen"
    assert not rules.has_left_the_freeze(900, 10_000, 9_940, 60)


# -- whose ---------------------------------------------------------------------------------------


def lines(**fens: int) -> list[SoldLine]:
    products = {"a": A, "b": B, "c": C}
    return [SoldLine(new_id(), products[name], 1, 1, fen) for name, fen in fens.items()]


def test_claims_count_what_their_scope_says() -> None:
    listed = [
        rule(1000, scope=Scope.PRODUCT, product_id=A),
        rule(500, scope=Scope.PRODUCT, product_id=A, way=Way.BALANCE),
        rule(100),
        promoter_rule(300, 1),
        promoter_rule(200, 2, Way.SPLIT),
        rule(1000, scope=Scope.PRODUCT, product_id=C),
    ]
    found = rules.claims(
        listed, lines(a=600, b=400), 1_100, 550, {1: P1, 2: P2}, {R1: R1}, {P2: R1}
    )
    assert [(one.base_fen, one.amount_fen, one.owner_id) for one in found] == [
        (300, 30, R1),  # half of it came through WeChat
        (600, 30, R1),
        (550, 5, R1),
        (1_000, 30, P1),
        (500, 10, P2),
    ]
    assert found[4].receiver_id == R1 and found[3].receiver_id is None


def test_a_promoter_whom_wechat_cannot_pay_is_credited() -> None:
    [found] = rules.claims(
        [promoter_rule(300, 1, Way.SPLIT)], lines(a=1000), 1000, 1000, {1: P1}, {}, {}
    )
    assert (found.rule.way, found.receiver_id, found.amount_fen) == (Way.BALANCE, None, 30)
    assert rules.claims([promoter_rule(300, 2)], lines(a=1000), 1000, 1000, {1: P1}, {}, {}) == []
    assert rules.claims([rule(300)], lines(a=0), 0, 0, {}, {R1: R1}, {}) == []


def test_which_orders_must_be_frozen() -> None:
    assert not rules.may_split([], [A], True)
    assert rules.may_split([rule(1)], [A], False)
    product = rule(1, scope=Scope.PRODUCT, product_id=A)
    assert rules.may_split([product], [A], False)
    assert not rules.may_split([product], [B], True)
    assert rules.may_split([promoter_rule(1, 1, Way.SPLIT)], [A], True)
    assert not rules.may_split([promoter_rule(1, 1, Way.SPLIT)], [A], False)
    assert not rules.may_split([rule(1, way=Way.BALANCE)], [A], True)


def test_F040_nobody_earns_of_their_own_order() -> None:
    assert rules.chain_of(P1, None, A) == {1: P1}
    assert rules.chain_of(P1, P2, None) == {1: P1, 2: P2}
    assert rules.chain_of(P1, P2, P1) == {2: P2}
    assert rules.chain_of(P1, P2, P2) == {1: P1}


def test_the_highest_share_of_rules_together() -> None:
    listed = [
        rule(1000),
        promoter_rule(500, 1),
        rule(300, scope=Scope.PRODUCT, product_id=A),
        rule(400, scope=Scope.PRODUCT, product_id=A),
        rule(600, scope=Scope.PRODUCT, product_id=B),
    ]
    assert rules.highest_bps(listed, Way.SPLIT) == 1_700
    assert rules.highest_bps(listed, Way.BALANCE) == 500
    assert rules.highest_bps(listed, None) == 2_200


# -- when ----------------------------------------------------------------------------------------


def test_F034_never_within_the_first_minute() -> None:
    minute = NOW + timedelta(minutes=1)
    assert rules.due_at(Trigger.DAYS, 0, NOW, None) == minute
    assert rules.due_at(Trigger.DAYS, 3, NOW, None) == NOW + timedelta(days=3)
    assert rules.due_at(Trigger.RECEIPT, None, NOW, None) is None
    assert rules.due_at(Trigger.RECEIPT, None, NOW, NOW) == minute
    later = NOW + timedelta(days=2)
    assert rules.due_at(Trigger.RECEIPT, None, NOW, later) == later


def test_when_to_try_again() -> None:
    pauses = [rules.retry_at("NO_RELATION", tries, NOW) for tries in (1, 2, 3, 4)]
    assert pauses == [
        NOW + timedelta(minutes=10), NOW + timedelta(hours=1), NOW + timedelta(days=1), None,
    ]  # fmt: skip
    assert rules.retry_at("ACCOUNT_ABNORMAL", 1, NOW) is None
    waits = [(rules.ask_again_at(tries, NOW) - NOW).total_seconds() for tries in (0, 1, 9, 99)]
    assert waits == [5, 10, 2560, 3600]


def test_parts_move_by_the_table_only() -> None:
    class Thing(msgspec.Struct, frozen=True):
        state: PartState

    assert set(rules.MOVES) == set(PartState)
    reached = {state for moves in rules.MOVES.values() for state in moves}
    assert reached == set(PartState)
    assert rules.moved(Thing(PartState.PLANNED), PartState.SENT).state is PartState.SENT  # type: ignore[type-var]
    with pytest.raises(AssertionError):
        rules.moved(Thing(PartState.PAID), PartState.SENT)  # type: ignore[type-var]
    for state in (PartState.SENT, PartState.PAID, PartState.CREDITED, PartState.REFUSED):
        with pytest.raises(AssertionError):  # F096: nothing pays a held part by itself
            rules.moved(Thing(PartState.HELD), state)  # type: ignore[type-var]
    assert rules.MOVES[PartState.DENIED] == frozenset()


def test_F096_what_ties_a_receiver_to_the_buyer() -> None:
    apart: dict[str, Any] = {
        "payer_no": 1, "phones": ({b"a", b"b"}, {b"c"}), "sent_to": b"x", "places": {b"y"},
        "shares_device": False,
    }  # fmt: skip
    assert rules.ties(1, 2, **apart) == []
    assert rules.ties(1, 2, **apart | {"sent_to": None, "payer_no": None}) == []
    together = {
        "payer_no": 2, "phones": ({b"a", b"c"}, {b"c"}), "places": {b"x"}, "shares_device": True,
    }  # fmt: skip
    assert rules.ties(1, 2, **apart | together) == [
        Tie.SAME_PAYER, Tie.SAME_PHONE, Tie.SAME_DEVICE, Tie.SAME_ADDRESS,
    ]  # fmt: skip
    assert rules.ties(2, 2, **apart | together) == [Tie.SAME_PERSON]


# -- what WeChat says ----------------------------------------------------------------------------


def answer(account: str, amount: int, result: ShareResult = ShareResult.SUCCESS) -> Share:
    return Share(type=ReceiverType.MERCHANT_ID, account=account, amount=amount, result=result)


def test_F033_an_answer_is_read_per_receiver() -> None:
    found = rules.results([answer("1", 5), answer("own", 90), answer("2", 5)], {"1": 5, "2": 5})
    assert found is not None and set(found) == {"1", "2"}
    assert rules.results([answer("1", 5)], {"1": 5, "2": 5}) is None
    assert rules.results([answer("1", 6)], {"1": 5}) is None
    assert rules.results([answer("1", 5, ShareResult.PENDING)], {"1": 5}) is None


# -- what may be written -------------------------------------------------------------------------

DRAFT = RuleDraft(
    title="团长",
    scope=Scope.LEADER,
    share_bps=1000,
    way=Way.SPLIT,
    trigger=Trigger.RECEIPT,
    receiver_id=R1,
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": " "}, "title"),
        ({"title": "长" * 61}, "title"),
        ({"share_bps": 0}, "share_bps"),
        ({"share_bps": 10_001}, "share_bps"),
        ({"level": 1}, "level"),
        ({"scope": Scope.PROMOTER, "receiver_id": None}, "level"),
        ({"scope": Scope.PROMOTER, "receiver_id": None, "level": 3}, "level"),
        ({"level": 3}, "level"),
        ({"product_id": A}, "product_id"),
        ({"scope": Scope.PRODUCT}, "product_id"),
        ({"receiver_id": None}, "receiver_id"),
        ({"scope": Scope.PROMOTER, "level": 1}, "receiver_id"),
        ({"after_days": 1}, "after_days"),
        ({"trigger": Trigger.DAYS}, "after_days"),
        ({"trigger": Trigger.DAYS, "after_days": -1}, "after_days"),
        ({"trigger": Trigger.DAYS, "after_days": 181, "way": Way.BALANCE}, "after_days"),
        ({"trigger": Trigger.DAYS, "after_days": 30}, "after_days"),
    ],
)
def test_rules_that_contradict_themselves(change: dict[str, Any], reason: str) -> None:
    rules.check_rule(DRAFT, Settings())
    with pytest.raises(BadRule) as bad:
        rules.check_rule(msgspec.structs.replace(DRAFT, **change), Settings())
    assert bad.value.details == {"reason": reason}


@pytest.mark.parametrize(
    ("kind", "account", "name", "relation", "custom", "reason"),
    [
        (ReceiverKind.MERCHANT, "12a", "厂", Relation.BRAND, None, "account"),
        (ReceiverKind.PERSON, "", None, Relation.BRAND, None, "account"),
        (ReceiverKind.PERSON, "茶", None, Relation.BRAND, None, "account"),
        (ReceiverKind.PERSON, "o" * 65, None, Relation.BRAND, None, "account"),
        (ReceiverKind.MERCHANT, "123", None, Relation.BRAND, None, "name"),
        (ReceiverKind.PERSON, "o1", "长" * 65, Relation.BRAND, None, "name"),
        (ReceiverKind.PERSON, "o1", None, Relation.CUSTOM, None, "custom_relation"),
        (ReceiverKind.PERSON, "o1", None, Relation.BRAND, "x", "custom_relation"),
        (ReceiverKind.PERSON, "o1", None, Relation.CUSTOM, "x" * 11, "custom_relation"),
    ],
)
def test_receivers_that_wechat_would_refuse(
    kind: ReceiverKind,
    account: str,
    name: str | None,
    relation: Relation,
    custom: str | None,
    reason: str,
) -> None:
    with pytest.raises(BadReceiver) as bad:
        rules.check_receiver(kind, account, name, relation, custom)
    assert bad.value.details == {"reason": reason}
    rules.check_receiver(ReceiverKind.PERSON, "o1", None, Relation.CUSTOM, "茶友")
