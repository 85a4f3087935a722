"""What people agree to: in which words, and for how long it counts."""

import asyncpg
import pytest

from siyu.kernel import clock
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId
from siyu.people.consents import rules, service
from siyu.people.consents.contracts import Channel, Purpose, TextOutdated

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
    assert [event.granted for _, _, event, _ in tx._events] == [True, False]


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
