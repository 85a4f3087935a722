"""Reaching people: consent at plan and at send, caps, bids, quiet hours, hold-out, blocks."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from siyu.app import demo_outreach
from siyu.compliance.approvals.contracts import NotSigned
from siyu.compliance.rulebook.contracts import RuleBroken
from siyu.kernel import clock
from siyu.kernel.db import system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.people.experiments import service as experiments
from siyu.people.outreach import invariants, queries, service
from siyu.people.outreach.contracts import (
    AttentionPolicy as Policy,
)
from siyu.people.outreach.contracts import (
    BadStart,
    BadTemplate,
    BadVariables,
    Topic,
)
from siyu.people.outreach.contracts import (
    MessageCampaignState as CampaignState,
)
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)
from siyu.people.outreach.contracts import (
    MessageState as State,
)
from siyu.people.outreach.contracts import (
    RefusalReason as Reason,
)
from siyu.people.outreach.rules.brought import BROUGHT
from tests.people.outreach import kit

PAGES = Path(__file__).parents[3] / "web/shop/src/pages.json"
NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)  # 12:00 in Shanghai


@pytest.fixture(autouse=True)
async def noon() -> AsyncIterator[None]:
    with clock.turned(NOON):
        yield


async def holds(shop: ShopId) -> None:
    async with system_transaction() as tx:
        for truth, sql in invariants.INVARIANTS.items():
            assert await tx.connection.fetch(sql) == [], truth


async def sent_to(shop: ShopId, person: int) -> list[str]:
    async with transaction(shop) as tx:
        return [one.text for one in await service.list_inbox(tx, person, None, 50)]


async def test_an_owed_message_needs_no_consent_and_stands_in_the_inbox(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        [person] = await kit.people(tx, 1, agree=False)
        words = {"order_no": "A1", "order_id": "x", "amount": "12900"}
        told = await service.reach(tx, person, "refund_arrived", words, once="refund:1")
        again = await service.reach(tx, person, "refund_arrived", words, once="refund:1")
    assert told is not None and (told.state, told.channel) == (
        State.PLANNED,
        Channel.INBOX,
    )
    assert again is None, "nobody is told the same twice"
    assert await service.send_batch(shop, None) == 1
    assert await sent_to(shop, person) == ["订单 A1 的退款 ¥129.00 已原路退回。"]
    async with transaction(shop) as tx:
        assert await service.count_unread(tx, person) == 1
        [item] = await service.list_inbox(tx, person, None, 10)
        assert await service.read_messages(tx, person, [item.message_id]) == 1
        assert await service.count_unread(tx, person) == 0
        shown = await service.get_attention(tx, person)
    assert (shown.today, shown.week, shown.tired_milli) == (0, 0, 0), "it counts against no cap"
    assert sorted(one.move for one in shown.entries) == ["answered", "reserved", "spent"]
    await holds(shop)


async def test_consent_is_asked_at_plan_and_again_at_send(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        yes, changes = await kit.people(tx, 2)
        [no] = await kit.people(tx, 1, agree=False, start=2)
        await kit.policy(tx)
        template_id = await kit.template(tx)
    campaign_id = await kit.campaign(shop, template_id, [yes, changes, no])
    assert await service.plan_campaign(shop, campaign_id) == 3
    assert await kit.counts(shop, campaign_id) == {"planned": 2, "refused:no_consent": 1}
    async with transaction(shop) as tx:
        await kit.consent(tx, changes, granted=False)
    await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {"sent": 1, "refused:no_consent": 2}
    assert await sent_to(shop, yes) == ["明前龙井上新"]
    assert await sent_to(shop, changes) == [] == await sent_to(shop, no)
    async with transaction(shop) as tx:
        assert (await service.get_campaign(tx, campaign_id)).state is CampaignState.DONE
        left = await service.get_attention(tx, changes)
    assert left.today == 0, "the place came free"
    await holds(shop)


async def test_a_more_important_message_takes_the_last_place_and_the_loser_says_why(
    shop: ShopId,
) -> None:
    async with transaction(shop) as tx:
        persons = await kit.people(tx, 3)
        await kit.policy(tx, day=1)
        template_id = await kit.template(tx)
    low = await kit.campaign(shop, template_id, persons, priority=2)
    await service.plan_campaign(shop, low)
    same = await kit.campaign(shop, template_id, persons, priority=2)
    await service.plan_campaign(shop, same)
    assert await kit.counts(shop, same) == {"refused:day_cap": 3}, "equals do not outbid"
    high = await kit.campaign(shop, template_id, persons[:2], priority=8)
    await service.plan_campaign(shop, high)
    assert await kit.counts(shop, high) == {"planned": 2}
    assert await kit.counts(shop, low) == {"planned": 1, "refused:outbid": 2}
    await service.run_campaign(shop, low)
    await service.run_campaign(shop, high)
    later = await kit.campaign(shop, template_id, persons, priority=9)
    await service.run_campaign(shop, later)
    assert await kit.counts(shop, later) == {"refused:day_cap": 3}, "what was sent is sent"
    await holds(shop)


async def test_tiredness_rises_with_unanswered_messages_halves_and_goes_with_an_answer(
    shop: ShopId,
) -> None:
    async with transaction(shop) as tx:
        [person] = await kit.people(tx, 1)
        await kit.policy(tx, day=50, week=200, tired_at=2, half_life_days=7)
        template_id = await kit.template(tx)

    async def send() -> dict[str, int]:
        campaign_id = await kit.campaign(shop, template_id, [person])
        await service.run_campaign(shop, campaign_id)
        return await kit.counts(shop, campaign_id)

    assert [await send() for _ in range(3)] == [{"sent": 1}, {"sent": 1}, {"refused:tired": 1}]
    with clock.turned(NOON + timedelta(days=7)):
        async with transaction(shop) as tx:
            assert (await service.get_attention(tx, person)).tired_milli == 1_000
        assert await send() == {"sent": 1}
        assert await send() == {"refused:tired": 1}
        async with transaction(shop) as tx:
            await service.take_answer(tx, person, clock.now() + timedelta(hours=1))
            left = (await service.get_attention(tx, person)).tired_milli
            assert left == 1_000, "what is older than a week stays unanswered"
        assert await send() == {"sent": 1}
    await holds(shop)


async def test_advertising_waits_for_the_morning_and_takes_its_place_there(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        [person] = await kit.people(tx, 1)
        await service.save_settings(tx, kit.ME, Policy(day=1))
        template_id = await kit.template(tx)
    night = NOON + timedelta(hours=10)  # 22:00
    with clock.turned(night):
        campaign_id = await kit.campaign(shop, template_id, [person])
        await service.run_campaign(shop, campaign_id)
        assert await kit.counts(shop, campaign_id) == {"planned": 1}
        async with transaction(shop) as tx:
            words = {"order_no": "A1", "order_id": "x", "amount": "1"}
            await service.reach(tx, person, "refund_arrived", words)
        assert await service.send_batch(shop, None) == 1, "what is owed goes out at any hour"
    with clock.turned(night + timedelta(hours=11)):
        await service.run_campaign(shop, campaign_id)
        assert await kit.counts(shop, campaign_id) == {"sent": 1}
        other = await kit.campaign(shop, template_id, [person])
        await service.run_campaign(shop, other)
        assert await kit.counts(shop, other) == {"refused:day_cap": 1}
    await holds(shop)


async def test_what_is_refused_at_night_was_refused_then_and_not_next_morning(
    shop: ShopId,
) -> None:
    async with transaction(shop) as tx:
        [person] = await kit.people(tx, 1, agree=False)
        await service.save_settings(tx, kit.ME, Policy(day=1))
        template_id = await kit.template(tx)
    night = NOON + timedelta(hours=10)  # 22:00; it would have gone out at 09:00
    with clock.turned(night):
        campaign_id = await kit.campaign(shop, template_id, [person])
        await service.plan_campaign(shop, campaign_id)
        async with transaction(shop) as tx:
            shown = await service.get_attention(tx, person)
            days = await service.list_days(tx, 7)
    assert [one.reason for one in shown.refusals] == [Reason.NO_CONSENT]
    assert night <= shown.refusals[0].at < night + timedelta(seconds=1)
    assert shown.refusals[0].template_key == "spring"
    assert [(str(one.on), one.refused) for one in days] == [("2026-11-23", 1)]


async def test_those_held_out_would_have_got_it(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        persons = await kit.people(tx, 30)
        no = await kit.people(tx, 10, agree=False, start=30)
        await kit.policy(tx)
        template_id = await kit.template(tx)
        await experiments.make_experiment(tx, kit.ME, kit.any_experiment())
        await experiments.set_holdout(tx, kit.ME, 2_000)
        held = await experiments.held_out_of(tx, persons + no)
        assert held == {one for one in persons + no if await experiments.is_held_out(tx, one)}, (
            "one by one and in bulk the same"
        )
        person = next(one for one in persons if one not in held)
        one = await service.reach(tx, person, "spring", {"what": "茶"})
    assert one is not None and one.state is State.PLANNED
    campaign_id = await kit.campaign(shop, template_id)
    await service.run_campaign(shop, campaign_id)
    found = await kit.counts(shop, campaign_id)
    assert found["refused:held_out"] == len(held & set(persons)) > 0
    assert found["refused:no_consent"] == 10, "held out or not: they would not have got it"
    effect = await service.read_effect(shop, campaign_id)
    assert effect.held_out.persons == len(held & set(persons))
    assert effect.planned.persons == 30 - effect.held_out.persons - 1, "one had its place taken"
    assert effect.buyers_bps == 0 == effect.extra_fen
    await holds(shop)


async def test_who_is_left_alone(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        chose, stopped, texted, fine = await kit.people(tx, 4)
        await kit.policy(tx)
        template_id = await kit.template(tx)
        await service.set_choice(tx, chose, Topic.OFFERS, "all", False)
        await service.suppress(tx, kit.ME, stopped, "all", "投诉")
        await service.unsubscribe(tx, texted, service.advertising(), "link")
        await service.unsubscribe(tx, texted, service.advertising(), "link")
    campaign_id = await kit.campaign(shop, template_id, [chose, stopped, texted, fine])
    await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {
        "sent": 1, "refused:unsubscribed": 2, "refused:suppressed": 1,
    }  # fmt: skip
    async with transaction(shop) as tx:
        await service.set_choice(tx, stopped, "all", "all", True)
        assert len(await service.list_all_blocks(tx, None, 10)) == 4, "not theirs to lift"
        assert await service.lift(tx, kit.ME, stopped, "all", "误会")
        choices = {(one.topic, one.channel): one.is_allowed for one in
                   await service.list_choices(tx, chose)}  # fmt: skip
    assert not choices["offers", "all"] and choices["order", "all"] and choices["all", "sms"]
    token = service.unsubscribe_token(shop, fine)
    assert service.person_of_token(token) == (shop, fine)
    await holds(shop)


async def test_who_unsubscribed_is_told_apart_from_who_never_agreed(shop: ShopId) -> None:
    """Unsubscribing takes the consent back too: that they left is the reason, at plan and at send;
    who only closed one channel and never agreed has not left."""
    async with transaction(shop) as tx:
        early, late, gone = await kit.people(tx, 3)
        never, closed = await kit.people(tx, 2, agree=False, start=3)
        await kit.policy(tx)
        template_id = await kit.template(tx)
        await service.unsubscribe(tx, early, service.advertising(), "link")
        await service.set_choice(tx, closed, "all", Channel.INBOX, False)
    campaign_id = await kit.campaign(shop, template_id, [early, late, gone, never, closed])
    assert await service.plan_campaign(shop, campaign_id) == 5
    planned = {"planned": 2, "refused:unsubscribed": 1, "refused:no_consent": 2}
    assert await kit.counts(shop, campaign_id) == planned
    async with transaction(shop) as tx:
        await service.unsubscribe(tx, late, service.advertising(), "link")
        await kit.consent(tx, gone, granted=False)
    await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {
        "refused:unsubscribed": 2, "refused:no_consent": 3,
    }  # fmt: skip
    async with transaction(shop) as tx:
        for person, reason in (
            (early, Reason.UNSUBSCRIBED), (late, Reason.UNSUBSCRIBED), (gone, Reason.NO_CONSENT),
            (never, Reason.NO_CONSENT), (closed, Reason.NO_CONSENT),
        ):  # fmt: skip
            shown = await service.get_attention(tx, person)
            assert [one.reason for one in shown.refusals] == [reason]
            assert shown.today == 0, "no place is held for them"
        again = await service.reach(tx, late, "spring", {"what": "茶"})
        assert again is not None and again.reason is Reason.UNSUBSCRIBED
    await holds(shop)


async def test_choices_say_what_reaches_the_person_and_what_holds_it(shop: ShopId) -> None:
    async def choices(person: int) -> dict[tuple[str, str], tuple[bool, str | None]]:
        async with transaction(shop) as tx:
            return {
                (one.topic, one.channel): (one.is_allowed, one.held_by)
                for one in await service.list_choices(tx, person)
            }

    async with transaction(shop) as tx:
        [yes] = await kit.people(tx, 1)
        [no] = await kit.people(tx, 1, agree=False, start=1)
    assert set((await choices(yes)).values()) == {(True, None)}
    silent = await choices(no)
    assert {key for key, said in silent.items() if said != (True, None)} == {
        ("offers", "all"), ("news", "all"),
    }  # fmt: skip
    assert silent["offers", "all"] == (False, "consent") == silent["news", "all"]
    async with transaction(shop) as tx:  # switched on here, it is still not sent
        await service.set_choice(tx, no, Topic.OFFERS, "all", True)
    assert await choices(no) == silent
    async with transaction(shop) as tx:
        await service.set_choice(tx, yes, Topic.OFFERS, "all", False)
        await service.suppress(tx, kit.ME, yes, Channel.SMS, "空号")
    left = await choices(yes)
    assert left["offers", "all"] == (False, None), "their own choice is theirs to change"
    assert (left["news", "all"], left["all", "sms"]) == ((True, None), (False, "shop"))
    async with transaction(shop) as tx:
        await service.unsubscribe(tx, yes, service.advertising(), "link")
        await service.suppress(tx, kit.ME, no, "all", "投诉")
    assert (await choices(yes))["news", "all"] == (False, "consent")
    assert set((await choices(no)).values()) == {(False, "shop")}


async def test_pause_resume_cancel(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        persons = await kit.people(tx, 5)
        await kit.policy(tx)
        template_id = await kit.template(tx)
    campaign_id = await kit.campaign(shop, template_id, persons)
    await service.plan_campaign(shop, campaign_id)
    assert await service.send_batch(shop, campaign_id, limit=2) == 2
    async with transaction(shop) as tx:
        await service.pause_campaign(tx, kit.ME, campaign_id, "等等")
    assert await service.send_batch(shop, campaign_id) == 0
    async with transaction(shop) as tx:
        await service.resume_campaign(tx, kit.ME, campaign_id)
    assert await service.send_batch(shop, campaign_id, limit=1) == 1
    async with transaction(shop) as tx:
        await service.cancel_campaign(tx, kit.ME, campaign_id)
    await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {"sent": 3, "cancelled:cancelled": 2}
    async with transaction(shop) as tx:
        assert (await service.get_attention(tx, persons[4])).today == 0
    await holds(shop)


async def test_templates_that_come_with_the_program_open_pages_of_the_shop() -> None:
    map_ = json.loads(re.sub(r"^\s*//.*$", "", PAGES.read_text("utf-8"), flags=re.MULTILINE))
    known = {f"/{one['path']}" for one in map_["pages"]} | {
        f"/{part['root']}/{one['path']}" for part in map_["subPackages"] for one in part["pages"]
    }
    forms = [form for draft in BROUGHT.values() for form in draft.forms]
    assert forms and {form.page.partition("?")[0] for form in forms} <= known


async def test_a_campaign_waits_for_its_hour(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        persons = await kit.people(tx, 2)
        await kit.policy(tx)
        template_id = await kit.template(tx)
    for wrong in (NOON, NOON + timedelta(days=61)):
        with pytest.raises(BadStart):
            await kit.campaign(shop, template_id, persons, at=wrong)
    hour = NOON + timedelta(hours=2)
    campaign_id = await kit.campaign(shop, template_id, persons, at=hour)

    async def is_due() -> bool:
        async with system_transaction() as tx:
            due = await queries.list_due(tx, clock.now(), clock.now())
        return (shop, campaign_id) in {(one.shop_id, one.campaign_id) for one in due}

    with clock.turned(hour - timedelta(seconds=1)):
        assert not await is_due()
        await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {}
    with clock.turned(hour):
        assert await is_due()
        await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {"sent": 2}


async def test_what_is_not_signed_or_breaks_a_rule_does_not_go_out(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        [person] = await kit.people(tx, 1)
        await kit.policy(tx)
        draft = kit.draft()
        made = await service.save_template(tx, kit.ME, draft)
        refused = await service.reach(tx, person, "spring", {"what": "茶"})
        assert refused is not None and refused.reason is Reason.NOT_SIGNED
        bad = kit.draft(key="bad")
        bad = kit.replace(
            bad, variables=[kit.replace(bad.variables[0], sample="点击领取微信官方红包")]
        )
        with pytest.raises(RuleBroken):
            await service.save_template(tx, kit.ME, bad)
        outcome = await service.send_test(tx, kit.ME, made.template_id, person, {"what": "茶"})
        assert outcome.state is State.PLANNED, "a test needs no signatures"
    with pytest.raises(NotSigned):
        await kit.campaign(shop, made.template_id, [person])
    assert await service.send_batch(shop, None) == 1
    assert await sent_to(shop, person) == ["茶上新"]
    async with transaction(shop) as tx:
        await kit.sign(tx, made.template_id)
        again = await service.save_template(tx, kit.ME, draft, made.template_id)
        assert (again.version, again.in_force) == (2, 1), "the signed one stays in force"
    await holds(shop)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"forms": [kit.replace(kit.INBOX, text="{who}")]}, "inbox.text"),
        ({"forms": [kit.replace(kit.INBOX, text="{what")]}, "inbox.text"),
        ({"forms": [kit.INBOX, kit.INBOX]}, "forms"),
        ({"forms": [kit.replace(kit.SMS, text="{what}上新")]}, "sms.text"),
        ({"forms": [kit.replace(kit.INBOX, text="上新")]}, "variables"),
        ({"forms": [kit.SUBSCRIPTION_LONG]}, "subscription.thing1"),
    ],
)
async def test_a_template_that_no_channel_would_take(
    shop: ShopId, more: dict[str, object], what: str
) -> None:
    async with transaction(shop) as tx:
        with pytest.raises(BadTemplate) as error:
            await service.save_template(tx, kit.ME, kit.draft(**more))
    assert error.value.details["what"] == what


async def test_variables_are_checked_before(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        [person] = await kit.people(tx, 1)
        for words in ({"order_no": "A"}, {"order_no": "A", "order_id": "x", "amount": "viel"}):
            with pytest.raises(BadVariables):
                await service.reach(tx, person, "refund_arrived", words)


async def test_the_demo_shows_one_that_is_over_one_in_the_middle_and_a_draft(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        await kit.people(tx, 12, agree=False)
    for _ in range(2):
        await demo_outreach.load(shop, {"订单发货提醒": "tmpl-shipped"})
    async with transaction(shop) as tx:
        shown = {one.name: one.state for one in await service.list_campaigns(tx, None, 10)}
        templates = {one.key: one for one in await service.list_templates(tx)}
        assert len(templates) == 5
    shipped = templates["order_shipped"]
    assert shipped.version == shipped.in_force == 2, "signed: the shop asks people for it"
    assert [form.outside_id for form in shipped.forms] == ["tmpl-shipped", ""]
    assert shown == {"明前龙井到店": "done", "会员日预告": "paused", "冬日暖茶": "draft"}
    await holds(shop)
