"""What people agree to: in which words, and for how long it counts."""

import hashlib
from datetime import timedelta

import asyncpg
import pytest

from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import CaseDecided, CaseKind, Step
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.merchant.staff import service as staff
from siyu.merchant.staff.contracts import Role
from siyu.people.consents import background, rules, service
from siyu.people.consents.contracts import Channel, Origin, Purpose, TextDraft, TextOutdated
from tests.merchant.lanes import HASH

NOW = rules.text_in_force(Purpose.ANALYTICS).version


async def decide(
    tx: Tx, granted: bool, version: str = NOW, purpose: Purpose = Purpose.ANALYTICS, person: int = 1
) -> None:
    await service.decide(
        tx,
        person,
        purpose,
        text_version=version,
        granted=granted,
        channel=Channel.H5,
        language="zh-CN",
    )


async def test_silence_is_a_no(tx: Tx) -> None:
    assert not await service.allows(tx, 1, Purpose.PRIVACY)
    assert [(c.purpose, c.granted) for c in await service.list_consents(tx, 1, "en")] == [
        (Purpose.PRIVACY, None),
        (Purpose.ANALYTICS, None),
        (Purpose.MARKETING, None),
        (Purpose.PERSONALISATION, None),
        (Purpose.SHARING, None),
    ]


async def test_agreeing_and_withdrawing_both_stay_on_record(tx: Tx) -> None:
    await decide(tx, True)
    assert await service.allows(tx, 1, Purpose.ANALYTICS)
    assert not await service.allows(tx, 1, Purpose.MARKETING), "each purpose by itself"
    assert not await service.allows(tx, 2, Purpose.ANALYTICS)
    await decide(tx, False)
    assert not await service.allows(tx, 1, Purpose.ANALYTICS)
    kept = await service.list_decisions(tx, 1)
    assert [(d.granted, d.text_version, d.channel, d.language) for d in kept] == [
        (False, NOW, Channel.H5, "zh-CN"),
        (True, NOW, Channel.H5, "zh-CN"),
    ]
    assert [(type(event).__name__, event.purpose) for _, _, event, _ in tx._events] == [
        ("ConsentDecided", "analytics"),
        ("ConsentDecided", "analytics"),
        ("ConsentWithdrawn", "analytics"),
    ]


async def test_a_yes_of_yesterday_does_not_undo_the_no_of_today(tx: Tx) -> None:
    await decide(tx, False)
    with clock.turned(clock.now() - timedelta(days=1)):
        await decide(tx, True)
    assert not await service.allows(tx, 1, Purpose.ANALYTICS)
    assert [d.granted for d in await service.list_decisions(tx, 1)] == [False, True]


async def test_saying_the_same_again_adds_nothing(tx: Tx) -> None:
    await decide(tx, True)
    await decide(tx, True)
    assert len(await service.list_decisions(tx, 1)) == 1
    assert len(tx._events) == 1


async def test_old_words_cannot_be_agreed_to_but_withdrawn_from(tx: Tx) -> None:
    with pytest.raises(TextOutdated) as refused:
        await decide(tx, True, version="2020-01-01")
    assert refused.value.details == {"text_version": NOW}
    assert await service.list_decisions(tx, 1) == []
    await decide(tx, True)
    await decide(tx, False, version="2020-01-01")
    assert not await service.allows(tx, 1, Purpose.ANALYTICS)


async def test_an_agreement_to_unknown_words_does_not_count(tx: Tx) -> None:
    await decide(tx, True)
    await tx.run("update consents.states set text_version = '2020-01-01'")
    assert not await service.allows(tx, 1, Purpose.ANALYTICS)
    shown = {c.purpose: c for c in await service.list_consents(tx, 1, "zh-CN")}
    assert shown[Purpose.ANALYTICS].granted is None, "the person is asked again"


def test_a_text_that_asks_for_more_must_be_agreed_to_again() -> None:
    old = rules.text_in_force(Purpose.ANALYTICS)
    wording = rules.Text(old.purpose, "2027-01-01", False, old.title, old.text)
    more = rules.Text(old.purpose, "2028-01-01", True, old.title, old.text)
    reworded = (*rules.TEXTS, wording)
    assert rules.still_counts(Purpose.ANALYTICS, old.version, reworded)
    assert rules.still_counts(Purpose.ANALYTICS, wording.version, reworded)
    widened = (*reworded, more)
    assert not rules.still_counts(Purpose.ANALYTICS, old.version, widened)
    assert not rules.still_counts(Purpose.ANALYTICS, wording.version, widened)
    assert rules.still_counts(Purpose.ANALYTICS, more.version, widened)


def test_every_purpose_has_words_in_both_languages() -> None:
    for purpose in Purpose:
        text = rules.text_in_force(purpose)
        assert set(text.title) == set(text.text) == {"zh-CN", "en"}
        assert all(text.text.values())


async def test_decisions_are_never_changed(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        await decide(tx, True)
    for change in ("update {} set granted = false", "delete from {}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(shop) as tx:
                await tx.run(change.format("consents.decisions"))


async def test_F090_withdrawal_counts_at_once_and_stays_on_record(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        await decide(tx, True, purpose=Purpose.MARKETING)
    began = clock.monotonic()
    async with transaction(shop) as tx:
        await decide(tx, False, purpose=Purpose.MARKETING)
    async with transaction(shop) as tx:
        assert await service.those_allowing(tx, [1, 2], Purpose.MARKETING) == set()
        assert len(await service.list_decisions(tx, 1)) == 2
    assert clock.monotonic() - began < 60


async def test_F090_new_words_of_the_shop_ask_everybody_again(shop: ShopId) -> None:
    words: dict[Language, str] = {
        "zh-CN": "我们希望记录您的浏览，并与门店数据合并。" * 2,
        "en": "a" * 40,
    }
    title: dict[Language, str] = {"zh-CN": "浏览分析", "en": "Analytics"}
    async with transaction(shop) as tx:
        await decide(tx, True)
        assert await service.allows(tx, 1, Purpose.ANALYTICS)
    assert await service.counts_now(shop, Purpose.ANALYTICS, NOW)
    async with transaction(shop) as tx:
        one = await service.publish_text(
            tx, System(), Purpose.ANALYTICS, title=title, text=words, asks_more=False
        )
    async with transaction(shop) as tx:
        assert await service.allows(tx, 1, Purpose.ANALYTICS), "better words change nothing"
        two = await service.publish_text(
            tx, System(), Purpose.ANALYTICS, title=title, text=words, asks_more=True
        )
    assert two.version == f"{one.version}.2"
    async with transaction(shop) as tx:
        assert not await service.allows(tx, 1, Purpose.ANALYTICS)
        [asked] = [
            c for c in await service.list_consents(tx, 1, "en") if c.purpose is Purpose.ANALYTICS
        ]
        assert (asked.granted, asked.text_version, asked.title) == (None, two.version, "Analytics")
        with pytest.raises(TextOutdated):
            await decide(tx, True, version=NOW)
        await decide(tx, True, version=two.version)
        [newest, *_] = await service.list_decisions(tx, 1)
    assert not await service.counts_now(shop, Purpose.ANALYTICS, NOW), "visitors are asked too"
    shown = f"{title['zh-CN']}\n{words['zh-CN']}".encode()
    assert newest.text_hash == hashlib.sha256(shown).hexdigest(), "proof of the very words"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(shop) as tx:
            await tx.run("update consents.texts set text_zh = repeat('x', 30)")


async def test_a_decision_keeps_from_where_it_came_but_no_address(tx: Tx) -> None:
    await service.decide(
        tx, 1, Purpose.MARKETING, text_version=NOW, granted=True, channel=Channel.H5,
        language="en", origin=Origin("203.0.113.9", "MicroMessenger/8.0"),
    )  # fmt: skip
    row = await tx.connection.fetchrow("select * from consents.decisions")
    assert row["agent"] == "MicroMessenger/8.0" and len(row["ip_hash"]) == 32
    assert "203.0.113.9" not in str(dict(row))


async def test_new_words_count_when_a_second_person_has_signed_exactly_these(shop: ShopId) -> None:
    draft = TextDraft(
        purpose=Purpose.MARKETING, title_zh="营销通知", title_en="Offers", text_zh="春茶上市。" * 8,
        text_en="Spring tea is here. " * 4, asks_more=True,
    )  # fmt: skip
    async with transaction(shop) as tx:
        assert await service.ask_text(tx, System(), draft) is None, "alone: in force at once"
        before = len(await service.list_versions(tx))
    for no in range(2):
        async with system_transaction(shop) as tx:
            await staff.add_staff(
                tx, System(), login_name=f"law-{shop}-{no}", name="法务", password_hash=HASH,
                role=Role.OWNER,
            )  # fmt: skip
    async with transaction(shop) as tx:
        case = await service.ask_text(tx, System(), draft)
        assert case is not None and len(await service.list_versions(tx)) == before
        decided = await approvals.sign(
            tx, System("staff:2", "陈律"), case.case_id, Step.SECOND, True, case.content_hash, ""
        )
    for kind in (decided.kind, CaseKind.TEMPLATE):
        async with transaction(shop) as tx:
            await background.on_case_decided(
                tx, CaseDecided(case_id=case.case_id, kind=kind, state=decided.state)
            )
    async with transaction(shop) as tx:
        [newest, *_] = versions = await service.list_versions(tx)
    assert len(versions) == before + 1
    assert (newest.text_zh, newest.published_by) == (draft.text_zh, System().actor_name)
