"""Decisions about coupons: what a batch may be, and what a coupon does for a basket."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from siyu.commerce.coupons import rules
from siyu.commerce.coupons.contracts import (
    BadTerms,
    Batch,
    BatchMoveRefused,
    BatchState,
    Birthday,
    Claim,
    ClaimState,
    Coupon,
    Issue,
    Offer,
    TermsFixed,
    Unusable,
)
from siyu.commerce.promotions.contracts import (
    CampaignRule,
    Exchange,
    FixedOff,
    PercentOff,
    Scope,
    Threshold,
    Tier,
)
from siyu.kernel.ids import new_id
from tests.commerce.coupons.kit import Basket, draft

NOW = datetime(2026, 6, 1, 4, tzinfo=UTC)


def batch(**changes: Any) -> Batch:
    made: dict[str, Any] = {
        "batch_id": new_id(), "name": "满减券", "note": "", "state": BatchState.RUNNING,
        "gives": FixedOff(1000), "from_fen": 0, "scope": Scope(), "group": "coupon",
        "full_price_only": False, "issue": Issue.CENTRE, "code": None,
        "starts_at": NOW - timedelta(days=1), "ends_at": NOW + timedelta(days=30),
        "valid_days": None, "needs_phone": False, "return_days": 0, "total_count": None,
        "per_member": 1, "per_device": None, "budget_fen": None, "claimed_count": 0,
        "committed_fen": 0, "version": 1, "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Batch(**(made | changes))


def coupon(
    of: Batch | None = None, *, state: ClaimState = ClaimState.CLAIMED, **changes: Any
) -> Coupon:
    of = of or batch()
    made: dict[str, Any] = {
        "claim_id": new_id(), "batch_id": of.batch_id, "member_id": new_id(), "person_no": 1,
        "state": state, "valid_from": NOW - timedelta(days=1),
        "valid_until": NOW + timedelta(days=1), "order_id": None, "off_fen": None,
        "claimed_at": NOW, "used_at": None,
    }  # fmt: skip
    return Coupon(claim=Claim(**(made | changes)), batch=of)


def judge(of: Coupon, basket: Basket, *, is_first_order: bool = False) -> Offer:
    bare = basket.price([])
    return rules.judge(of, basket.lines, bare, basket.price, NOW, is_first_order=is_first_order)


# --- batches --------------------------------------------------------------------------------------


def test_a_code_has_one_form() -> None:
    assert rules.normal_code(" ＤＯＵＢＬＥ 11\t好\n") == "double11好"


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": " "}),
        ("ends_at", {"starts_at": NOW, "ends_at": NOW}),
        ("code", {"issue": Issue.CODE}),
        ("code", {"code": "double11"}),
        ("code", {"issue": Issue.CODE, "code": "x"}),
        ("code", {"issue": Issue.CODE, "code": "x" * 41}),
        ("scope", {"gives": Exchange(1)}),
        ("scope", {"gives": Exchange(1), "scope": Scope(category_ids=frozenset({new_id()}))}),
        ("needs_phone", {"issue": Issue.STAFF, "needs_phone": True}),
        ("per_device", {"issue": Issue.NEWCOMER, "per_device": 1}),
        ("budget_fen", {"budget_fen": 999}),
        ("budget_fen", {"gives": PercentOff(pay_bps=8000), "budget_fen": 0}),
    ],
)
def test_what_cannot_be_is_refused_by_name(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(BadTerms) as refused:
        rules.check_draft(draft(**changes))
    assert refused.value.details == {"field": field}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"issue": Issue.CODE, "code": "双11", "per_device": 1, "needs_phone": True},
        {"issue": Issue.NEWCOMER, "needs_phone": True},
        {"gives": Exchange(2), "scope": Scope(sku_ids=frozenset({new_id()})), "budget_fen": 1},
        {"gives": Exchange(2), "scope": Scope(product_ids=frozenset({new_id()}))},
        {"budget_fen": 1000},
    ],
)
def test_what_can_be_is_taken(changes: dict[str, Any]) -> None:
    rules.check_draft(draft(**changes))


def edited(of: Batch, **changes: Any) -> Any:
    fields = {field: getattr(of, field) for field in Batch.__struct_fields__}
    return draft(**{
        field: fields[field]
        for kind in (type(draft().terms), type(draft().limits))
        for field in kind.__struct_fields__
    } | changes)  # fmt: skip


def test_a_draft_may_become_anything_and_what_ended_nothing() -> None:
    rules.check_edit(batch(state=BatchState.DRAFT), draft(gives=FixedOff(1)))
    ended = batch(state=BatchState.ENDED)
    with pytest.raises(BatchMoveRefused):
        rules.check_edit(ended, edited(ended))


@pytest.mark.parametrize(
    ("field", "was", "changes"),
    [
        ("gives", {}, {"gives": FixedOff(1)}),
        ("from_fen", {}, {"from_fen": 1}),
        ("scope", {}, {"scope": Scope(sku_ids=frozenset({new_id()}))}),
        ("return_days", {}, {"return_days": None}),
        ("total_count", {"claimed_count": 8, "total_count": 10}, {"total_count": 7}),
        ("budget_fen", {}, {"budget_fen": 10_000}),
        ("budget_fen", {"budget_fen": 10_000}, {"budget_fen": None}),
        ("budget_fen", {"budget_fen": 10_000, "committed_fen": 5000}, {"budget_fen": 4999}),
    ],
)
def test_a_promise_is_not_changed(field: str, was: dict[str, Any], changes: dict[str, Any]) -> None:
    before = batch(**was)
    with pytest.raises(TermsFixed) as refused:
        rules.check_edit(before, edited(before, **changes))
    assert refused.value.details == {"field": field}


def test_limits_may_move_as_far_as_was_given() -> None:
    before = batch(claimed_count=8, total_count=10, budget_fen=10_000, committed_fen=5000)
    rules.check_edit(before, edited(before, total_count=8, budget_fen=5000, per_member=3))
    rules.check_edit(before, edited(before, total_count=None, ends_at=NOW + timedelta(days=90)))


def test_every_state_has_its_moves() -> None:
    assert set(rules.MOVES) == set(BatchState)
    for was in BatchState:
        for to in BatchState:
            if to in rules.MOVES[was]:
                rules.check_move(batch(state=was), to)
            else:
                with pytest.raises(BatchMoveRefused):
                    rules.check_move(batch(state=was), to)


def test_a_window_is_half_open() -> None:
    one = batch(starts_at=NOW, ends_at=NOW + timedelta(hours=1))
    assert rules.is_open(one, NOW)
    assert not rules.is_open(one, NOW - timedelta(microseconds=1))
    assert not rules.is_open(one, NOW + timedelta(hours=1))
    assert not rules.is_open(batch(state=BatchState.PAUSED), NOW)


def test_what_is_gone() -> None:
    assert not rules.is_gone(batch(), 1000)
    assert not rules.is_gone(batch(total_count=10, claimed_count=8), 2)
    assert rules.is_gone(batch(total_count=10, claimed_count=8), 3)
    assert not rules.is_gone(batch(budget_fen=100, committed_fen=99))
    assert rules.is_gone(batch(budget_fen=100, committed_fen=100))


def test_what_a_coupon_takes_off_at_most() -> None:
    assert rules.most_off(batch()) == 1000
    assert rules.most_off(batch(gives=PercentOff(pay_bps=8000, cap_fen=500))) == 500
    assert rules.most_off(batch(gives=PercentOff(pay_bps=8000))) == 0
    assert rules.most_off(batch(gives=Exchange(1))) == 0


# --- coupons in a basket --------------------------------------------------------------------------


def test_a_coupon_says_what_it_saves() -> None:
    assert judge(coupon(), Basket(3000, 2000)).saving_fen == 1000
    percent = coupon(batch(gives=PercentOff(pay_bps=8000, cap_fen=700)))
    assert judge(percent, Basket(3000, 2000)).saving_fen == 700
    basket = Basket(3000, 2000)
    free = Scope(sku_ids=frozenset({basket.lines[1].sku_id}))
    assert judge(coupon(batch(gives=Exchange(1), scope=free)), basket).saving_fen == 2000


def test_F050_a_coupon_never_takes_more_than_there_is() -> None:
    offer = judge(coupon(batch(gives=FixedOff(9999))), Basket(300))
    assert (offer.saving_fen, offer.reason) == (300, None)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (coupon(state=ClaimState.HELD), Unusable.HELD),
        (coupon(valid_from=NOW + timedelta(hours=1)), Unusable.NOT_YET),
        (coupon(batch(issue=Issue.FIRST_ORDER)), Unusable.NOT_FIRST_ORDER),
        (coupon(batch(scope=Scope(product_ids=frozenset({new_id()})))), Unusable.OUT_OF_SCOPE),
        (coupon(batch(budget_fen=5000, committed_fen=4001)), Unusable.BUDGET_SPENT),
    ],
)
def test_a_coupon_says_why_it_does_nothing(one: Coupon, reason: Unusable) -> None:
    offer = judge(one, Basket(3000))
    assert (offer.saving_fen, offer.reason, offer.short_fen) == (0, reason, 0)


def test_a_coupon_says_how_much_is_missing() -> None:
    offer = judge(coupon(batch(from_fen=10_000)), Basket(3000, 2000))
    assert (offer.reason, offer.short_fen) == (Unusable.BELOW_FROM, 5000)
    assert judge(coupon(batch(from_fen=5000)), Basket(3000, 2000)).reason is None


def test_a_coupon_that_adds_nothing_to_a_campaign_says_so() -> None:
    campaign = CampaignRule(
        campaign_id=new_id(),
        label="满减",
        group="best",
        terms=Threshold([Tier(at=1000, off_fen=1500)]),
        takes_coupons=False,
    )
    offer = judge(coupon(batch(from_fen=0)), Basket(3000, rules=[campaign]))
    assert (offer.saving_fen, offer.reason) == (0, Unusable.NO_EFFECT)


def test_the_budget_counts_to_the_fen() -> None:
    exact = coupon(batch(budget_fen=5000, committed_fen=4000))
    assert judge(exact, Basket(3000)).saving_fen == 1000


def test_a_first_order_coupon_is_for_the_first_order() -> None:
    one = coupon(batch(issue=Issue.FIRST_ORDER))
    assert judge(one, Basket(3000), is_first_order=True).saving_fen == 1000


@pytest.mark.parametrize("state", [ClaimState.USED, ClaimState.VOID, ClaimState.EXPIRED])
def test_what_is_over_is_refused_by_its_state(state: ClaimState) -> None:
    assert rules.refusal(coupon(state=state), NOW, is_first_order=True) == state


def test_a_coupon_is_good_until_its_end_and_not_at_it() -> None:
    one = coupon(valid_until=NOW)
    assert rules.refusal(one, NOW, is_first_order=True) == "expired"
    before = NOW - timedelta(microseconds=1)
    assert rules.refusal(one, before, is_first_order=True) is None


# --- the best choice ------------------------------------------------------------------------------


def offers(basket: Basket, *coupons: Coupon) -> list[Offer]:
    return [judge(one, basket) for one in coupons]


def test_of_one_group_the_best_is_chosen_without_pricing_again() -> None:
    basket = Basket(5000)
    small, large = coupon(), coupon(batch(gives=FixedOff(1500)))
    found = offers(basket, small, large)
    asked = basket.asked
    assert rules.best_choice(found, basket.price) == [large.claim.claim_id]
    assert basket.asked == asked


def test_of_equal_ones_that_which_ends_first() -> None:
    basket = Basket(5000)
    late, soon = coupon(valid_until=NOW + timedelta(days=9)), coupon()
    assert rules.best_choice(offers(basket, late, soon), basket.price) == [soon.claim.claim_id]


def test_groups_add_up() -> None:
    basket = Basket(5000)
    ones = [coupon(), coupon(batch(gives=FixedOff(700), group="extra"))]
    chosen = rules.best_choice(offers(basket, *ones, coupon()), basket.price)
    assert len(chosen) == 2
    assert ones[1].claim.claim_id in chosen


def test_each_group_is_tried_however_many_a_member_has_of_another() -> None:
    basket = Basket(50_000)
    many = [coupon(batch(gives=FixedOff(1000 + n))) for n in range(20)]
    extra = coupon(batch(gives=FixedOff(1), group="extra"))
    chosen = rules.best_choice(offers(basket, *many, extra), basket.price)
    assert set(chosen) == {many[-1].claim.claim_id, extra.claim.claim_id}


def test_nothing_useful_is_nothing_chosen() -> None:
    basket = Basket(500)
    useless = coupon(batch(from_fen=10_000))
    assert rules.best_choice(offers(basket, useless), basket.price) == []
    assert rules.best_choice([], basket.price) == []


# --- birthdays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", [(1, 31), (2, 29), (12, 31), (4, 30)])
def test_days_that_some_year_has(day: tuple[int, int]) -> None:
    rules.check_birthday(Birthday(*day))


@pytest.mark.parametrize("day", [(2, 30), (4, 31), (0, 1), (13, 1), (1, 0), (1, 32)])
def test_days_that_no_year_has(day: tuple[int, int]) -> None:
    with pytest.raises(BadTerms):
        rules.check_birthday(Birthday(*day))


def test_a_birthday_of_29_february_is_kept_each_year() -> None:
    leap = Birthday(2, 29)
    assert leap in rules.birthdays_on(date(2028, 2, 29))
    assert leap not in rules.birthdays_on(date(2028, 2, 28))
    assert leap in rules.birthdays_on(date(2027, 2, 28))
    assert rules.birthday_text(leap) == "02-29"


def test_networks() -> None:
    assert rules.network_of("10.1.2.3") == "10.1.2.3"
    assert rules.network_of("::ffff:10.1.2.3") == "10.1.2.3"
    assert rules.network_of("2001:db8::1") == rules.network_of("2001:db8::2") == "2001:db8::/64"
    assert rules.network_of("") == ""


def test_a_coupon_as_a_rule_keeps_all_its_promises() -> None:
    one = coupon(
        batch(
            from_fen=5, scope=Scope(sku_ids=frozenset({UUID(int=1)})), group="x",
            full_price_only=True,
        )
    )  # fmt: skip
    assert msgspec.structs.asdict(rules.as_rule(one)) == {
        "claim_id": one.claim.claim_id, "coupon_id": one.batch.batch_id, "label": "满减券",
        "gives": FixedOff(1000), "from_fen": 5, "scope": one.batch.scope, "group": "x",
        "full_price_only": True,
    }  # fmt: skip


@pytest.mark.parametrize("issue", list(Issue))
def test_a_batch_on_trial_has_its_rule_and_limits(issue: Issue) -> None:
    one = coupon(batch(from_fen=5, issue=issue, per_member=3, total_count=7, budget_fen=9))
    trial = rules.trial_of(one.batch)
    assert msgspec.structs.replace(trial.coupon, claim_id=one.claim.claim_id) == rules.as_rule(one)
    assert (trial.per_member, trial.total_count, trial.budget_fen) == (3, 7, 9)
    assert trial.first_order_only is (issue is Issue.FIRST_ORDER)
