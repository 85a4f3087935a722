"""Playbooks evaluated on the shop's own data, and drafts of what to try."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import BEST, Audience, Threshold, Tier
from siyu.insight.metrics.contracts import (
    CheckView,
    Drafted,
    MetricView,
    NothingToDraft,
    PlaybooksView,
    PlaybookView,
    State,
    UnknownMetric,
)
from siyu.insight.metrics.rules import playbooks
from siyu.insight.metrics.rules.catalogue import CLICK, EXPOSE, Words
from siyu.insight.metrics.rules.figures import BY_KEY
from siyu.insight.metrics.rules.periods import ratio, runs
from siyu.insight.metrics.rules.playbooks import (
    DRAFTED,
    FOCUS_BPS,
    FOCUS_TOP,
    PLAYBOOKS,
    Check,
    Playbook,
)
from siyu.insight.metrics.service import measuring
from siyu.insight.metrics.service.catalogue import Place, Weeks, list_views, weeks_of
from siyu.insight.metrics.service.keeping import Answers
from siyu.kernel import clock
from siyu.kernel.audit import Actor
from siyu.kernel.clock import business_day
from siyu.kernel.db import reading, transaction
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.people.experiments import service as experiments
from siyu.people.experiments.contracts import (
    Arm,
    Experiment,
    ExperimentDraft,
    KeyTaken,
    Metric,
    Surface,
)
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import ShareSpec

_DAYS, _ITEMS, _TRIES = 28, 20, 9
_ENOUGH_TAPS = 30
_TITLE_MOST = 60
_YUAN = 100


class Taps(msgspec.Struct, frozen=True):
    """Taps and exposures of four weeks by item number, the most tapped first."""

    taps: list[tuple[int, int]]
    shown: dict[int, int]
    all_taps: int

    @property
    def focus_bps(self) -> int | None:
        """Which part of all taps goes to the foremost items; None of too few taps."""
        if self.all_taps < _ENOUGH_TAPS:
            return None
        return ratio(sum(n for _, n in self.taps[:FOCUS_TOP]), self.all_taps, 10_000)


async def _count_taps(place: Place) -> Taps:
    last = await measuring.last_day(place.shop_id, place.time_zone)
    since, until = runs(last, 1, _DAYS)[0].span(place.time_zone)
    asked = tuple(
        ShareSpec(
            shop_id=place.shop_id, step=step, prop="item_no", since=since, until=until,
            time_zone=place.time_zone, grain="month", top=_ITEMS,
        )
        for step in (CLICK, EXPOSE)
    )  # fmt: skip
    found = (await engines.ask(Questions(shares=asked))).shares
    # "0" stands for no item: taps on anything else of the page.
    about = [[part for part in one.parts if part.value not in ("", "0")] for one in found]
    taps, shown = ([(int(p.value), p.total) for p in parts if p.value] for parts in about)
    return Taps(taps, dict(shown), sum(part.total for part in about[0]))


taps_of = Answers(_count_taps)


async def list_playbooks(shop_id: ShopId, time_zone: str, language: Language) -> PlaybooksView:
    """All playbooks with their checks; those with a bad figure first."""
    place = Place(shop_id, time_zone)
    weeks, taps = await weeks_of.get(place), await taps_of.get(place)
    items = [_playbook(one, weeks, taps, language) for one in PLAYBOOKS]
    return PlaybooksView(weeks.last, sorted(items, key=lambda one: one.state != "bad"))


def _state(view: MetricView) -> State:
    """Against the benchmark where there is one, else against the shop's own weeks."""
    if view.health is not None:
        return view.health.state
    return playbooks.against_own(view.value, view.own_mean, view.better)


def _playbook(book: Playbook, weeks: Weeks, taps: Taps, language: Language) -> PlaybookView:
    known = {view.key: view for view in list_views(weeks, language)}
    figures = [
        msgspec.structs.replace(known[key], state=_state(known[key])) for key in book.figures
    ]
    checks = [_check(one, known, taps, language) for one in book.checks]
    states = {figure.state for figure in figures}
    return PlaybookView(
        key=book.key,
        title=book.title.of(language),
        about=book.about.of(language),
        state="bad" if "bad" in states else "good" if "good" in states else "unknown",
        figures=figures,
        checks=checks,
        cause=next((check.key for check in checks if check.state == "bad"), None),
    )


def _check(check: Check, known: dict[str, MetricView], taps: Taps, language: Language) -> CheckView:
    view = known[check.figure] if check.figure else None
    value = view.value if view else taps.focus_bps
    if view is None:
        state: State = "unknown" if value is None else "good" if value >= FOCUS_BPS else "bad"
        label = Words("前三名商品占点击", "Taps on the three foremost items").of(language)
    else:
        state, label = _state(view), view.label
    health = view.health if view else None
    return CheckView(
        key=check.key,
        question=check.question.of(language),
        metric=check.figure,
        label=label,
        unit=view.unit if view else "bps",
        value=value,
        line=health.threshold if health else view.own_mean if view else FOCUS_BPS,
        comparison=health.comparison if health else (view.better or "ge") if view else "ge",
        against="benchmark" if health else "own" if view else "rule",
        state=state,
        remedy=check.remedy.of(language),
        draft=DRAFTED[check.draft] if check.draft else None,
    )


# --- drafts -----------------------------------------------------------------------------------


def _find(playbook: str, check: str, kind: str) -> Check:
    for book in PLAYBOOKS:
        for one in book.checks:
            if (book.key, one.key) == (playbook, check):
                if one.draft is None or DRAFTED[one.draft] != kind:
                    raise NothingToDraft(reason=check)
                return one
    raise UnknownMetric(key=f"{playbook}/{check}")


async def draft_experiment(
    shop_id: ShopId,
    time_zone: str,
    actor: Actor,
    playbook: str,
    check: str,
    language: Language,
) -> Drafted:
    """Write an experiment down for a check; nobody sees it before somebody starts it.

    Opens its own transactions. Raises UnknownMetric, NothingToDraft.
    """
    found = _find(playbook, check, "experiment")
    taps = await taps_of.get(Place(shop_id, time_zone))
    on = business_day(clock.now(), time_zone)
    name = f"{found.question.of(language)} {on:%m-%d}"
    metric = Metric.CONVERSION if found.draft == "home_order" else Metric.CLICK
    surface, payload, product = await _payload(shop_id, found, taps, language)
    product_no = product[1] if product else None
    plan = await experiments.make_plan(
        shop_id, metric=metric, event=None, product_no=product_no, effect_bps=2_000,
        share_bps=10_000, arms=2, window_days=3,
    )  # fmt: skip
    draft = ExperimentDraft(
        key=f"{check}-{on:%m%d}",
        name=name[:60],
        hypothesis=found.remedy.of(language),
        surface=surface,
        product_id=product[0] if product else None,
        product_no=product_no,
        metric=metric,
        baseline_micro=max(1, plan.baseline_micro),
        effect_bps=2_000,
        arms=[
            Arm(key="a", name=Words("原样", "As it is").of(language), weight_bps=5_000),
            Arm(
                key="b",
                name=Words("改动", "Changed").of(language),
                weight_bps=5_000,
                payload=payload,
            ),
        ],
    )
    made = await _make(shop_id, actor, draft)
    path = f"/experiments/{made.experiment_id}"
    return Drafted("experiment", made.experiment_id, made.name, path)


async def _make(shop_id: ShopId, actor: Actor, draft: ExperimentDraft) -> Experiment:
    """Under the first free key: the same check may be tried more than once."""
    for n in range(1, _TRIES + 1):
        key = draft.key if n == 1 else f"{draft.key}-{n}"
        try:
            async with transaction(shop_id) as tx:
                return await experiments.make_experiment(
                    tx, actor, msgspec.structs.replace(draft, key=key)
                )
        except KeyTaken:
            continue
    raise NothingToDraft(reason=draft.key)


async def _payload(
    shop_id: ShopId, check: Check, taps: Taps, language: Language
) -> tuple[Surface, dict[str, object], tuple[UUID, int] | None]:
    """What the other arm shows, and about which product."""
    if check.draft == "home_order":
        return Surface.HOME_ORDER, {"order": ["bundles", "hot", "activities"]}, None
    tapped = dict(taps.taps)
    if check.draft == "banner":
        numbers: Sequence[int] = [number for number, _ in taps.taps]
    else:
        # Shown most for each tap it got.
        numbers = sorted(taps.shown, key=lambda no: -taps.shown[no] / (1 + tapped.get(no, 0)))
    for number in numbers:
        async with reading(shop_id) as tx:
            title = (await catalog.product_titles(tx, [number])).get(number)
            found = await catalog.list_products(tx, number + 1, 1)
            known = await catalog.product_numbers(tx, found)
        if title is None or number not in known.values():
            continue
        if check.draft == "banner":
            line = Words("本店主打", "What we are known for").of(language)
            return Surface.BANNER, {"title": title[:_TITLE_MOST], "subtitle": line}, None
        better = Words("人气之选 · ", "A favourite: ").of(language) + title
        return Surface.PRODUCT, {"title": better[:_TITLE_MOST]}, (found[0], number)
    raise NothingToDraft(reason=Words("还没有商品被点击", "No item was tapped yet").of(language))


async def draft_campaign(
    shop_id: ShopId,
    time_zone: str,
    actor: Actor,
    playbook: str,
    check: str,
    language: Language,
) -> Drafted:
    """Write a price campaign down for a check: a threshold a little above the order value.

    It has no effect before somebody simulates and starts it. Opens its own transactions. Raises
    UnknownMetric, NothingToDraft.
    """
    found = _find(playbook, check, "campaign")
    weeks = await weeks_of.get(Place(shop_id, time_zone))
    value = weeks.counted[-1].value(BY_KEY["order_value"])
    if value is None or value <= 0:
        raise NothingToDraft(reason=Words("最近一周没有订单", "No orders last week").of(language))
    step = 10 * _YUAN
    if found.draft == "first_order":
        at = max(step, value // step * step)  # within reach of the first try
    else:
        at = -(-value * 13 // (10 * step)) * step  # a little above what is bought anyway
    terms = Threshold([Tier(at=at, off_fen=max(_YUAN, at // 10 // _YUAN * _YUAN))])
    title, audience = {
        "first_order": (Words("新客首单立减", "First order offer"), Audience.FIRST_ORDER),
        "members": (Words("会员日满减", "Member day"), Audience.MEMBERS),
    }.get(found.draft or "", (Words("满额立减", "Threshold offer"), Audience.EVERYONE))
    now = clock.now()
    draft = promotions.CampaignDraft(
        title=title.of(language),
        starts_at=now,
        ends_at=now + timedelta(days=_DAYS),
        stacking=BEST,
        audience=audience,
        terms=terms,
    )
    async with transaction(shop_id) as tx:
        campaign_id = await promotions.create_campaign(tx, actor, draft)
    return Drafted("campaign", campaign_id, draft.title, f"/campaigns?campaign={campaign_id}")
