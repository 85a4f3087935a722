"""Decisions of profiles without a database: the catalogue, folding, conditions, scores."""

from collections import Counter
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siyu.people.profiles import rules
from siyu.people.profiles.contracts import (
    BadRule,
    ByScore,
    Condition,
    FieldRule,
    Happened,
    PersonTier,
    TierRules,
)
from siyu.people.profiles.contracts import (
    FieldGroup as Group,
)
from siyu.people.profiles.contracts import (
    FieldKind as Kind,
)
from siyu.people.profiles.rules import folding

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 3, 20)
NOW_US = int(datetime(2026, 3, 20, 12, tzinfo=ZONE).timestamp()) * 1_000_000
DAY_US = 86_400_000_000
NUMBER = rules.number_of(TODAY)


def happened(name: str, days_ago: int, **payload: object) -> Happened:
    return Happened(name, NOW_US - days_ago * DAY_US, {"person_no": 1, **payload})


def state_of(events: list[Happened], person_no: int = 1) -> dict:
    state: dict = {}
    for event in events:
        for measure in rules.persons_in(event).get(person_no, ()):
            rules.fold(state, measure, event, rules.day_of(event.at_us, ZONE))
    rules.trim(state, NUMBER)
    return state


def figures_of(*events: Happened) -> dict:
    return rules.figures(state_of(list(events)), NUMBER, ZONE)


# --- the catalogue ----------------------------------------------------------------------------


def test_the_catalogue_is_whole():
    fields = list(rules.FIELDS.values())
    groups = Counter(field.group for field in fields)
    assert len(fields) >= 200 and set(groups) == set(Group)
    assert sum(field.is_ready for field in fields) >= 200
    assert all(field.zh and field.en and field.source for field in fields)
    names = Counter(field.zh for field in fields if field.is_ready)
    assert [name for name, times in names.items() if times > 1] == []


def test_behaviour_rests_on_the_consent_to_statistics_and_goes_with_it():
    for field in rules.FIELDS.values():
        rests = field.purpose == "analytics"
        assert rests == (field.keep == "consent") == (field.group is Group.BEHAVIOUR), field.key


def test_every_event_of_the_catalogue_exists():
    from tests.structure.test_events import all_events

    known = {kind.name for kind in all_events()}
    assert rules.DOMAIN_EVENTS.keys() - known == set()
    on_timeline = {name for name in rules.EVENTS if not name.startswith("behaviour.")}
    assert on_timeline - known == set()


# --- figures ----------------------------------------------------------------------------------


def test_figures_of_orders():
    found = figures_of(
        happened("ordering.order_paid", 1, amount_fen=12_000, coupon_fen=500, delivery="ship",
                 lines=[{"product_no": 3, "quantity": 2, "total_fen": 12_000}]),
        happened("ordering.order_paid", 41, amount_fen=8_000, delivery="pickup", lines=[]),
        happened("ordering.order_imported", 400, amount_fen=1_000, kind="sale"),
        happened("ordering.order_imported", 399, amount_fen=-400, kind="return"),
        happened("ordering.order_refunded", 0, amount_fen=-3_000, refunded_fen=3_000),
    )  # fmt: skip
    wanted = {
        "orders": 3, "orders_7d": 1, "orders_30d": 1, "orders_90d": 2, "orders_fen": 21_000,
        "orders_fen_90d": 20_000, "orders_avg_fen": 7_000, "orders_max_fen": 12_000,
        "orders_min_fen": 1_000, "orders_first_on": "2025-02-13", "orders_last_on": "2026-03-19",
        "orders_cycle_days": 199, "orders_days_90d": 2, "past_returns_fen": -400,
        "refunds_fen": 3_000, "refund_bps": 3_333, "items_total": 2, "items_top_band": "50-100",
        "items_list_product_no": ["3"], "coupon_orders": 1, "coupon_share_bps": 3_333,
        "net_fen": 18_000, "rfm_recency": 5, "rfm_frequency": 3, "rfm_money": 2,
        "rfm_class": "hhl",
    }  # fmt: skip
    assert {key: found.get(key) for key in wanted} == wanted
    assert found.keys() <= rules.FIELDS.keys()


def test_a_gift_counts_for_who_took_it_and_for_who_gave_it():
    gift = happened("gifting.gift_accepted", 2, giver_no=7, is_new_customer=True, amount_fen=100)
    taker = rules.figures(state_of([gift]), NUMBER, ZONE)
    giver = rules.figures(state_of([gift], 7), NUMBER, ZONE)
    assert (taker["gifts_received"], "brought" in taker) == (1, False)
    assert (giver["gifts_taken"], giver["brought"], "gifts_received" in giver) == (1, 1, False)


def test_days_end_at_midnight_of_the_shop():
    at = datetime(2026, 3, 13, 23, 59, tzinfo=ZONE)
    late = Happened("members.member_logged_in", int(at.timestamp()) * 1_000_000, {"person_no": 1})
    state = state_of([late])
    counts = [rules.figures(state, NUMBER - 1 + n, ZONE).get("logins_7d") for n in (0, 1)]
    assert counts == [1, None]
    assert rules.wakes_on(state, NUMBER - 1) == NUMBER


NAMES = ("ordering.order_paid", "members.member_logged_in", "reviews.review_submitted",
         "coupons.coupon_claimed", "ordering.order_refunded",
         "consents.consent_decided")  # fmt: skip
EVENT = st.builds(
    lambda name, at, fen, word: Happened(name, NOW_US - at, {
        "person_no": 1, "amount_fen": fen, "refunded_fen": fen, "platform": word, "issue": word,
        "stars": fen % 5 + 1, "purpose": "analytics", "granted": bool(fen % 2),
        "lines": [{"product_no": fen % 4 + 1, "quantity": fen % 3 + 1, "total_fen": fen}],
    }),
    st.sampled_from(NAMES), st.integers(0, 200 * DAY_US), st.integers(0, 50_000),
    st.sampled_from(["h5", "mp-weixin"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, max_size=25), st.randoms(use_true_random=False), st.integers(0, 25))
def test_any_order_and_any_split_between_two_numbers_gives_the_same(events, dice, cut):
    shuffled = list(events)
    dice.shuffle(shuffled)
    parts = rules.combine([state_of(shuffled[:cut]), state_of(shuffled[cut:])])
    assert parts == state_of(events)


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=12), st.integers(1, 120))
def test_nothing_changes_before_the_day_that_was_told(events, days):
    state = state_of(events)
    wakes = rules.wakes_on(state, NUMBER)
    last = days if wakes is None else wakes - NUMBER - 1
    assert rules.figures(state, NUMBER + last, ZONE) == rules.figures(state, NUMBER, ZONE)


# --- conditions -------------------------------------------------------------------------------


def rule(field: str, op: str, value: object = None) -> FieldRule:
    return FieldRule(conditions=[Condition(field=field, op=op, value=value)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "op", "value", "belongs"),
    [
        ("orders", "ge", 5, True), ("orders", "ge", 6, False), ("orders", "eq", 5, True),
        ("cases", "le", 0, True), ("cases", "known", None, True), ("phone", "eq", False, True),
        ("refund_bps", "le", 10_000, False), ("refund_bps", "unknown", None, True),
        ("logins_last_on", "days_ge", 30, True), ("logins_last_on", "days_ge", 31, False),
        ("logins_last_on", "days_le", 30, True), ("logins_last_on", "days_le", 29, False),
        ("rfm_class", "in", ["hhh", "hhl"], True), ("rfm_class", "ne", "hhh", True),
        ("items_list_product_no", "in", ["9", "3"], True), ("visits_last_on", "days_ge", 1, False),
    ],
)  # fmt: skip
def test_who_fits(field, op, value, belongs):
    values = {
        "orders": 5, "logins_last_on": "2026-02-18", "rfm_class": "hhl",
        "items_list_product_no": ["3"],
    }  # fmt: skip
    assert rules.fits(rule(field, op, value), values, TODAY) is belongs


@pytest.mark.parametrize(
    ("field", "op", "value"),
    [
        ("nothing", "ge", 1), ("churn_bps", "ge", 1), ("nickname", "eq", "x"),
        ("orders", "ge", "5"), ("orders", "ge", True), ("orders", "days_ge", 3),
        ("orders_last_on", "ge", 3), ("orders_last_on", "days_ge", -1), ("phone", "eq", 1),
        ("orders", "known", 1), ("rfm_class", "in", "hhh"), ("orders", "in", ["1"]),
    ],
)  # fmt: skip
def test_senseless_conditions_are_refused(field, op, value):
    tier = PersonTier(key="a", zh="甲", en="A", rule=rule(field, op, value))
    with pytest.raises(BadRule):
        rules.check_tiers(TierRules(tier=[tier], life=[tier]))


def test_a_turn_is_the_first_day_on_which_time_changes_the_answer():
    values = {"logins_last_on": "2026-03-01"}
    for asked in (rule("logins_last_on", "days_ge", 30), rule("logins_last_on", "days_le", 30)):
        turn = rules.next_turn([asked], values, TODAY)
        before, after = (rules.fits(asked, values, on) for on in (
            date.fromordinal(turn.toordinal() - 1), turn))  # fmt: skip
        assert before is not after


@pytest.mark.parametrize(
    ("values", "tier", "life"),
    [
        ({"home": 1}, "potential", None),
        ({"joined": True, "joined_first_on": "2026-03-01", "logins_7d": 3,
          "logins_last_on": "2026-03-20", "alive_last_on": "2026-03-20"}, "active", "new"),
        ({"joined": True, "joined_first_on": "2025-01-01", "orders": 5,
          "logins_last_on": "2026-03-10", "alive_last_on": "2026-03-10"}, "loyal", "active"),
        ({"joined": True, "joined_first_on": "2025-01-01", "orders": 9,
          "logins_last_on": "2026-02-18", "alive_last_on": "2026-02-17"}, "silent", "dormant"),
        ({"joined": True, "joined_first_on": "2025-01-01", "logins_last_on": "2025-12-01",
          "alive_last_on": "2025-12-19"}, "silent", "lost"),
    ],
)  # fmt: skip
def test_tiers_of_the_mission(values, tier, life):
    rules.check_tiers(rules.DEFAULT_TIERS)
    assert rules.place(rules.DEFAULT_TIERS.tier, values, TODAY) == tier
    assert rules.place(rules.DEFAULT_TIERS.life, values, TODAY) == life


def test_a_score_halves():
    making = ByScore(deeds={"logins": 8, "products": 4}, half_life_days=10, threshold=5)
    state = state_of([happened("members.member_logged_in", days) for days in (0, 10, 20)])
    assert rules.score(making, state, {}, NUMBER) == 14  # 8 + 4 + 2
    assert rules.score(making, state, {}, NUMBER + 10) == 7
    seen = {"products_7d": 1, "products_30d": 1, "products_90d": 1}
    assert rules.score(making, {}, seen, NUMBER) == 3
    rules.check_making(making)
    with pytest.raises(BadRule):
        rules.check_making(ByScore(deeds={"home": 1}, half_life_days=1, threshold=1))


def test_rules_are_told_in_words():
    said = FieldRule(conditions=[
        Condition(field="orders_fen_30d", op="ge", value=200_000),
        Condition(field="logins_last_on", op="days_le", value=7),
        Condition(field="phone", op="eq", value=True),
    ])  # fmt: skip
    assert rules.sentence(said, "zh-CN") == (
        "近 30 天支付订单金额 ≥ 2000 元，且最近登录日在近 7 天内，且是否授权手机号：是"
    )
    english = rules.sentence(said, "en")
    assert "≥ ¥2,000, and " in english and english.endswith("phone number given: yes")


@pytest.mark.parametrize(
    ("field", "value", "zh", "en"),
    [
        ("coupons_claimed_top_issue", "first_order", "首单券", "first order"),
        (
            "items_list_band",
            ["50-100", "1000-"],
            "50–100 元、1000 元以上",
            "¥50–100, ¥1000 and more",
        ),
        ("rfm_class", "hlh", "近度高·频度低·额度高", "recency high, frequency low, money high"),
        ("orders_top_delivery", "by_drone", "by_drone", "by_drone"),
        ("orders_fen", 12_345, "123.45 元", "¥123.45"),
        ("joined", False, "否", "no"),
        ("orders_last_on", "2026-03-05", "2026/03/05", "Mar 05, 2026"),
        ("orders_avg_fen", None, "未知", "not known"),
    ],
)  # fmt: skip
def test_values_are_told_in_words(field, value, zh, en):
    assert rules.value_words(rules.FIELDS[field], value, "zh-CN") == zh
    assert rules.value_words(rules.FIELDS[field], value, "en") == en


def test_every_field_of_choices_is_in_the_catalogue():
    assert {rules.FIELDS[key].kind for key in rules.CHOICES} == {Kind.CHOICE, Kind.LIST}
    named = {key for key, one in rules.FIELDS.items() if one.kind is Kind.CHOICE and one.is_ready}
    assert named - rules.CHOICES.keys() == {"items_top_product_no", "level"}
    prices = (0, 5_000, 10_000, 20_000, 50_000, 100_000, 10**7)
    assert {folding._band(fen) for fen in prices} == rules.CHOICES["items_top_band"].keys()


def test_a_move_between_tiers_is_told_by_the_shop_s_names():
    props = {"ladder": "tier", "before": None, "after": "loyal"}
    places = {"tier.loyal": "铁杆"}
    assert rules.told("", 0, props, "zh-CN", places) == "运营分层 · – → 铁杆"
    assert rules.told("", 0, props | {"before": "gone"}, "en", places) == "tier · gone → 铁杆"


def test_who_may_not_reveal_sees_bounds():
    field = rules.FIELDS["orders_fen"]
    values = {"orders_fen": 123_456}
    seen = rules.shown(field, values, tracks=True, reveals=False)
    assert (seen.state, seen.value, seen.band) == ("masked", None, [100_000, 500_000])
    assert rules.shown(field, values, tracks=True, reveals=True).value == 123_456
    visits = rules.FIELDS["views"]
    assert visits.kind is Kind.NUMBER
    assert rules.shown(visits, {}, tracks=False, reveals=True).state == "no_consent"
    assert rules.shown(visits, {}, tracks=True, reveals=True).value == 0
    later = rules.shown(rules.FIELDS["churn_bps"], {"churn_bps": 5}, tracks=True, reveals=True)
    assert (later.state, later.value) == ("later", None)
    assert rules.shown(rules.FIELDS["refund_bps"], {}, tracks=True, reveals=True).state == "unknown"
