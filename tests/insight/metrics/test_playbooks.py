"""Diagnosis on a shop's own data, ending in drafts that really exist."""

from datetime import date

import msgspec
import pytest

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ImportedProduct
from siyu.commerce.promotions.contracts import Audience
from siyu.commerce.promotions.queries import get_campaign
from siyu.insight.metrics import service
from siyu.insight.metrics.contracts import NothingToDraft, UnknownMetric
from siyu.insight.metrics.rules import playbooks
from siyu.insight.metrics.rules.figures import BY_KEY, RETENTIONS
from siyu.insight.metrics.rules.playbooks import PLAYBOOKS
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.people.experiments import service as experiments
from siyu.people.experiments.contracts import ExperimentState, Surface
from tests.insight.metrics.test_dashboard import DAY, MINUTE, NOW, ZONE, Story

BY = System(actor_name="检查")


@pytest.fixture(autouse=True)
def fresh():
    service.forget()


async def a_vague_shop(shop: int, items: list[int]) -> None:
    """Taps spread evenly over many items, one page per visit, two small orders."""
    story = Story(shop)
    for person in range(1, 61):
        at = NOW - 3 * DAY + person * MINUTE
        story.tell(person, at, "view", "click", "expose")
        number = items[person % len(items)]
        story.events[-3:] = [
            one if one.name == "behaviour.view" else msgspec.structs.replace(one, item_no=number)
            for one in story.events[-3:]
        ]
    for person in range(1, 13):
        story.pay(person, NOW - 3 * DAY + 90 * MINUTE, 3_050)
    await story.write()


async def a_product(shop: int) -> int:
    """The number of a product called 冻顶乌龙."""
    async with transaction(shop) as tx:
        await catalog.import_products(tx, [ImportedProduct("T1", "冻顶乌龙", 3_050)])
        [product_id] = await catalog.list_products(tx, None, 1)
        return (await catalog.product_numbers(tx, [product_id]))[product_id]


async def books(shop: int):
    with clock.turned(NOW):
        found = await service.list_playbooks(shop, ZONE, "zh-CN")
    return found, {one.key: one for one in found.items}


async def test_checks_speak_of_the_shops_own_data(warehouse):
    await a_vague_shop(1, list(range(1, 13)))
    found, by = await books(1)
    assert found.as_of == date(2026, 3, 19)
    growth = by["growth"]
    first = growth.checks[0]
    assert (first.key, first.value, first.line, first.against) == (
        "positioning", 2_500, 3_000, "rule"
    )  # fmt: skip
    assert (first.state, growth.cause, first.draft) == ("bad", "positioning", "experiment")
    navigation = by["interaction"].checks[1]
    assert (navigation.value, navigation.line, navigation.state) == (100, 250, "bad")
    basket = by["conversion"].checks[-1]
    assert (basket.value, basket.state, basket.draft) == (3_050, "bad", "campaign")
    assert by["conversion"].state == "bad"
    assert [one.state for one in found.items] == sorted(
        (one.state for one in found.items), key=lambda state: state != "bad"
    )


async def test_a_shop_with_a_focus_passes_the_first_check(warehouse):
    await a_vague_shop(1, [7, 7, 7, 8, 9, 10])
    _, by = await books(1)
    assert (by["growth"].checks[0].value, by["growth"].checks[0].state) == (8_333, "good")
    assert by["growth"].cause != "positioning"


async def test_an_empty_shop_is_not_judged(warehouse):
    found, _ = await books(1)
    assert {one.state for one in found.items} == {"unknown"}
    assert {check.state for one in found.items for check in one.checks} == {"unknown"}
    assert {one.cause for one in found.items} == {None}


async def test_a_banner_is_drafted_as_an_experiment(shop, warehouse):
    await a_vague_shop(shop, [await a_product(shop)])
    with clock.turned(NOW):
        drafted = await service.draft_experiment(shop, ZONE, BY, "growth", "positioning", "zh-CN")
        again = await service.draft_experiment(shop, ZONE, BY, "growth", "positioning", "zh-CN")
    async with reading(shop) as tx:
        made = await experiments.get_experiment(tx, drafted.draft_id)
        other = await experiments.get_experiment(tx, again.draft_id)
    assert drafted.path == f"/experiments/{made.experiment_id}"
    assert (made.state, made.surface) == (ExperimentState.DRAFT, Surface.BANNER)
    assert made.arms[1].payload["title"] == "冻顶乌龙"
    assert (made.key, other.key) == ("positioning-0320", "positioning-0320-2")
    assert made.baseline_micro > 1


async def test_a_title_is_drafted_for_the_item_shown_most_and_tapped_least(shop, warehouse):
    await a_vague_shop(shop, [await a_product(shop)])
    with clock.turned(NOW):
        drafted = await service.draft_experiment(shop, ZONE, BY, "conversion", "titles", "zh-CN")
    async with reading(shop) as tx:
        made = await experiments.get_experiment(tx, drafted.draft_id)
    assert (made.surface, made.product_no) == (Surface.PRODUCT, 1)
    assert made.arms[1].payload["title"] == "人气之选 · 冻顶乌龙"


@pytest.mark.parametrize(
    ("playbook", "check", "audience", "at"),
    [
        ("conversion", "baskets", Audience.EVERYONE, 4_000),
        ("growth", "joining", Audience.FIRST_ORDER, 3_000),
        ("interaction", "rights", Audience.MEMBERS, 4_000),
    ],
)
async def test_an_offer_is_drafted_as_a_campaign(shop, warehouse, playbook, check, audience, at):
    await a_vague_shop(shop, [1])
    with clock.turned(NOW):
        drafted = await service.draft_campaign(shop, ZONE, BY, playbook, check, "zh-CN")
    async with reading(shop) as tx:
        made = await get_campaign(tx, drafted.draft_id, NOW)
    assert (made.state, made.audience) == ("draft", audience)
    # 1.3 times ¥30.50 is ¥39.65, so ¥40; whoever is new reaches ¥30. A tenth of it off.
    assert [(tier.at, tier.off_fen) for tier in made.terms.tiers] == [(at, at // 10)]


async def test_what_has_no_draft_is_refused(shop, warehouse):
    with clock.turned(NOW):
        with pytest.raises(NothingToDraft):
            await service.draft_campaign(shop, ZONE, BY, "growth", "sharing", "en")
        with pytest.raises(NothingToDraft):
            await service.draft_campaign(shop, ZONE, BY, "growth", "positioning", "en")
        with pytest.raises(NothingToDraft):
            await service.draft_campaign(shop, ZONE, BY, "conversion", "baskets", "en")
        with pytest.raises(NothingToDraft):
            await service.draft_experiment(shop, ZONE, BY, "growth", "positioning", "en")
        with pytest.raises(UnknownMetric):
            await service.draft_experiment(shop, ZONE, BY, "growth", "weather", "en")


async def test_drafting_needs_the_permission_of_what_is_drafted(web, warehouse):
    for kind in ("experiment", "campaign"):
        answer = await web.post(f"/admin/v1/insight/playbooks/growth/positioning/{kind}")
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("value", "own", "better", "state"),
    [
        (90, 100, "ge", "good"), (89, 100, "ge", "bad"), (110, 100, "le", "good"),
        (111, 100, "le", "bad"), (None, 100, "ge", "unknown"), (5, 0, "ge", "unknown"),
        (5, None, "ge", "unknown"), (5, 9, None, "unknown"),
    ],
)  # fmt: skip
def test_a_tenth_worse_than_ones_own_weeks_is_bad(value, own, better, state):
    assert playbooks.against_own(value, own, better) == state


def test_playbooks_speak_of_figures_of_the_catalogue():
    known = {*BY_KEY, *(one.key for one in RETENTIONS)}
    for book in PLAYBOOKS:
        assert set(book.figures) <= known
        assert {one.figure for one in book.checks if one.figure} <= known
        assert book.checks[0].key == "positioning"
        assert len({one.key for one in book.checks}) == len(book.checks)
