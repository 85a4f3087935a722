"""Calls and their answers: used-up grants, closed channels, dead senders, unknown outcomes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from siyu.kernel import clock
from siyu.kernel.db import system_transaction, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.people.members import service as members
from siyu.people.outreach import invariants, service
from siyu.people.outreach.contracts import (
    Answer,
    Form,
    MessageChannel,
    MessageState,
    Parcel,
    RefusalReason,
    Refused,
    Sent,
    Unclear,
)
from siyu.people.outreach.rules import reasons
from siyu.people.outreach.service import send_store, sending
from siyu.people.outreach.service.channels import sms
from tests.people.outreach import kit

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)


class Phones:
    """A provider that answers as it is told, and remembers what it sent under which number."""

    def __init__(self) -> None:
        self.sent: list[UUID] = []
        self.answers: dict[str, Answer] = {}

    async def send(self, parcel: Parcel) -> Answer:
        answer = self.answers.get(parcel.address, Sent(str(parcel.number)))
        if not isinstance(answer, Refused):
            self.sent.append(parcel.number)
        return answer

    async def find(self, number: UUID) -> Answer | None:
        return Sent(str(number)) if number in self.sent else None


@pytest.fixture
async def phones() -> AsyncIterator[Phones]:
    made = Phones()
    before = sms._provider
    service.use_provider(made)
    with clock.turned(NOON):
        yield made
    service.use_provider(before)


async def holds(shop: ShopId) -> None:
    async with system_transaction() as tx:
        for truth, sql in invariants.INVARIANTS.items():
            assert await tx.connection.fetch(sql) == [], truth


async def ready(shop: ShopId, count: int, *forms: Form) -> tuple[list[int], UUID]:
    async with transaction(shop) as tx:
        persons = await kit.people(tx, count)
        for n in range(count):
            member_id = await kit.member_of(tx, persons[n])
            await members.give_phone(tx, member_id, phone_of(n))
        await kit.policy(tx, day=50, week=200, channels=[], tired_at=50)
        return persons, await kit.template(tx, forms=forms or (kit.SMS,))


def phone_of(n: int) -> str:
    return f"+86138{n:08}"


async def test_a_killed_sender_leaves_nothing_to_be_sent_twice(
    shop: ShopId, phones: Phones
) -> None:
    """Claimed and committed, half of it called, nothing recorded: what `kill -9` leaves."""
    persons, template_id = await ready(shop, 10)
    campaign_id = await kit.campaign(shop, template_id, persons)
    await service.plan_campaign(shop, campaign_id)
    async with transaction(shop) as tx:
        claimed = await send_store.claim_of_campaign(tx, campaign_id, clock.now(), 6)
        batches = await sending._prepare(tx, claimed)
    for parcel in batches[0].parcels[:3]:
        await phones.send(parcel)
    await service.run_campaign(shop, campaign_id)
    assert len(phones.sent) == 3 + 4, "nobody touches what another holds"
    assert await service.settle_lost(shop) == 0, "it may still be at work"
    with clock.turned(NOON + timedelta(minutes=3)):
        assert await service.settle_lost(shop) == 6
        assert await kit.counts(shop, campaign_id) == {"sent": 7, "planned": 3}
        await service.run_campaign(shop, campaign_id)
        assert await kit.counts(shop, campaign_id) == {"sent": 10}
    assert len(phones.sent) == len(set(phones.sent)) == 10
    await holds(shop)


async def test_an_unknown_outcome_is_never_called_again(shop: ShopId, phones: Phones) -> None:
    persons, template_id = await ready(shop, 2)
    phones.answers[phone_of(0)] = Unclear("NO_ANSWER")
    campaign_id = await kit.campaign(shop, template_id, persons)
    await service.run_campaign(shop, campaign_id)
    await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {"sent": 1, "unknown:no_answer": 1}
    assert len(phones.sent) == 2
    async with transaction(shop) as tx:
        assert (await service.get_attention(tx, persons[0])).today == 1, "they may have it"
    await holds(shop)


async def test_F110_a_quota_of_the_day_closes_the_channel_until_midnight(
    shop: ShopId, phones: Phones
) -> None:
    persons, template_id = await ready(shop, 3)
    full = reasons.answer_of("45009", may_repeat=False)
    phones.answers = {phone_of(n): full for n in range(3)}
    campaign_id = await kit.campaign(shop, template_id, persons)
    await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {"planned": 3}, "the places stay theirs"
    phones.answers = {}
    with clock.turned(NOON + timedelta(hours=11)):
        await service.run_campaign(shop, campaign_id)
        assert phones.sent == []
    with clock.turned(NOON + timedelta(hours=36, minutes=1)):
        await service.run_campaign(shop, campaign_id)
        assert await kit.counts(shop, campaign_id) == {"sent": 3}
    await holds(shop)


async def test_F111_what_one_channel_refuses_the_next_one_carries(
    shop: ShopId, phones: Phones
) -> None:
    persons, template_id = await ready(shop, 2, kit.SMS, kit.INBOX)
    phones.answers[phone_of(0)] = reasons.answer_of("43101", may_repeat=False)
    campaign_id = await kit.campaign(shop, template_id, persons)
    await service.run_campaign(shop, campaign_id)
    await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {"sent": 2}
    async with transaction(shop) as tx:
        assert [one.title for one in await service.list_inbox(tx, persons[0], None, 5)] == ["新品"]
        assert await service.list_inbox(tx, persons[1], None, 5) == []
        moves = [(one.channel, one.move, one.reason) for one in
                 (await service.get_attention(tx, persons[0])).entries]  # fmt: skip
    assert set(moves) == {
        ("sms", "reserved", None), ("sms", "released", "grant_used_up"),
        ("inbox", "reserved", None), ("inbox", "spent", None),
    }  # fmt: skip
    await holds(shop)


async def test_words_at_fault_are_no_better_on_another_channel(
    shop: ShopId, phones: Phones
) -> None:
    persons, template_id = await ready(shop, 1, kit.SMS, kit.INBOX)
    phones.answers[phone_of(0)] = reasons.answer_of("45168", may_repeat=False)
    campaign_id = await kit.campaign(shop, template_id, persons)
    await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {"failed:rule_broken": 1}
    await holds(shop)


async def test_a_grant_is_one_message_and_counted_once(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        [person] = await kit.people(tx, 1)
        for _ in range(2):
            await service.grant(tx, person, MessageChannel.SUBSCRIPTION, "tmpl-1", "event-1")
        grants = (await service.get_attention(tx, person)).grants
        assert grants == {"subscription": 1}
        await service.grant(tx, person, MessageChannel.CARE, "wx-1", "event-2", 5, timedelta(1))
        await service.grant(tx, person, MessageChannel.CARE, "wx-1", "event-3", 5, timedelta(1))
        assert (await service.get_attention(tx, person)).grants["care"] == 5, "one open window"


async def test_who_answers_stop_gets_no_more(shop: ShopId, phones: Phones) -> None:
    persons, template_id = await ready(shop, 1)
    async with transaction(shop) as tx:
        assert await service.take_sms(tx, "13800000000", " r ")
        assert not await service.take_sms(tx, "13999999999", "R")
    campaign_id = await kit.campaign(shop, template_id, persons)
    await service.run_campaign(shop, campaign_id)
    assert await kit.counts(shop, campaign_id) == {"refused:unsubscribed": 1}
    assert phones.sent == []


def test_every_reason_has_words_and_every_code_a_meaning() -> None:
    assert set(reasons.WORDS) == set(RefusalReason)
    assert reasons.answer_of("12345", may_repeat=False).reason is RefusalReason.REJECTED
    assert reasons.answer_of("-1", may_repeat=True).reason is None
    assert sending.result_of(new_id(), Unclear("x")).state == MessageState.UNKNOWN
