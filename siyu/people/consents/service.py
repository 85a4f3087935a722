"""Verbs of the consents domain."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import Case, CaseKind, Path
from siyu.kernel import clock, moment
from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx, reading
from siyu.kernel.events import emit
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.people.consents import queries, rules
from siyu.people.consents.contracts import (
    Channel,
    Consent,
    ConsentDecided,
    ConsentWithdrawn,
    Decision,
    Origin,
    PublishedText,
    Purpose,
    TextDraft,
    TextOutdated,
    TextPublished,
)
from siyu.people.consents.rules import Text
from siyu.people.members import service as members

DECISIONS_SHOWN = 200
TEXTS_SECONDS = 20
"""How old the words may be that a process holds; a withdrawal itself is never held."""
_NOBODY = Origin()


# --- texts ----------------------------------------------------------------------------------------


def _own(rows: list[PublishedText]) -> tuple[Text, ...]:
    return rules.with_own([
        Text(
            row.purpose,
            row.version,
            row.asks_more,
            title={"zh-CN": row.title_zh, "en": row.title_en},
            text={"zh-CN": row.text_zh, "en": row.text_en},
        )
        for row in rows
    ])  # fmt: skip


async def _texts(tx: ReadTx) -> tuple[Text, ...]:
    """All words of the shop, oldest first, at most 20 seconds old."""

    async def make(_: list[str]) -> dict[str, tuple[Text, ...]]:
        return {"all": _own(await queries.list_texts(tx))}

    return (await moment.keep_each(tx.shop_id, "consents", ["all"], TEXTS_SECONDS, make))["all"]


async def _texts_of(shop_id: ShopId) -> tuple[Text, ...]:
    """The same for who has no transaction; opens one only when nothing is held."""

    async def make(_: list[str]) -> dict[str, tuple[Text, ...]]:
        async with reading(shop_id) as tx:
            return {"all": _own(await queries.list_texts(tx))}

    return (await moment.keep_each(shop_id, "consents", ["all"], TEXTS_SECONDS, make))["all"]


async def list_versions(tx: ReadTx) -> list[PublishedText]:
    """All versions of all words, newest first; those the program brings have no publisher."""
    brought = [
        PublishedText(
            text.purpose, text.version, text.asks_more, text.title["zh-CN"], text.title["en"],
            text.text["zh-CN"], text.text["en"], None, None,
        )
        for text in rules.TEXTS
    ]  # fmt: skip
    return [*reversed(await queries.list_texts(tx)), *reversed(brought)]


async def publish_text(
    tx: Tx,
    actor: Actor,
    purpose: Purpose,
    *,
    title: dict[Language, str],
    text: dict[Language, str],
    asks_more: bool,
) -> PublishedText:
    """Put new words in force; what is published is never changed.

    asks_more: agreements to older versions no longer count, everybody is asked again.
    """
    today = clock.business_day(clock.now(), await shops.get_time_zone(tx))
    version = rules.next_version(purpose, today, _own(await queries.list_texts(tx)))
    made = PublishedText(
        purpose, version, asks_more, title["zh-CN"], title["en"], text["zh-CN"], text["en"],
        clock.now(), actor.actor_name,
    )  # fmt: skip
    await queries.insert_text(tx, made)
    audit(
        tx,
        actor,
        "consents.text_published",
        ("consent_text", f"{purpose}/{version}"),
        after={"version": version, "asks_more": asks_more},
    )
    emit(tx, TextPublished(purpose=purpose, version=version, asks_more=asks_more))
    moment.forget(tx.shop_id)
    return made


async def ask_text(tx: Tx, actor: Actor, draft: TextDraft) -> Case | None:
    """Have new words put in force: at once by who is alone with their shop (None), else when a
    second person who may has signed exactly these (the case)."""
    if not await approvals.has_second(tx):
        await _publish(tx, actor, draft)
        return None
    return await approvals.open_case(
        tx,
        actor,
        CaseKind.CONSENT_TEXT,
        title=draft.title_zh,
        content=msgspec.to_builtins(draft),
        path=Path.SECOND,
    )


async def publish_signed(tx: Tx, case_id: UUID) -> None:
    """Put signed words in force; the case names who asked for them."""
    case = await approvals.get_case(tx, case_id)
    author = case.signoffs[0]
    draft = msgspec.convert(case.content, TextDraft)
    await _publish(tx, System(author.signed_by, author.signed_by_name), draft)


async def _publish(tx: Tx, actor: Actor, draft: TextDraft) -> None:
    await publish_text(
        tx,
        actor,
        draft.purpose,
        title={"zh-CN": draft.title_zh, "en": draft.title_en},
        text={"zh-CN": draft.text_zh, "en": draft.text_en},
        asks_more=draft.asks_more,
    )


# --- decisions ------------------------------------------------------------------------------------


async def list_texts(shop_id: ShopId, language: Language) -> list[Consent]:
    """The words in force, for somebody who has not been asked yet."""
    return _consents({}, await _texts_of(shop_id), language)


async def list_consents(tx: ReadTx, person_no: int, language: Language) -> list[Consent]:
    """The words in force and what the person said to them."""
    return _consents(await _words(tx, person_no), await _texts(tx), language)


async def _words(tx: ReadTx, person_no: int) -> dict[Purpose, queries.StateRow]:
    """What counts of all that a person said, as any of their records."""
    ties = (await members.ties_of(tx, [person_no])).get(person_no)
    rows = await queries.list_states(tx, list(ties.person_nos) if ties else [person_no])
    found = {
        purpose: rules.word_of(
            [row for row in rows if row.purpose is purpose], ties.merged_at if ties else None
        )
        for purpose in Purpose
    }
    return {purpose: row for purpose, row in found.items() if row is not None}


def _consents(
    states: dict[Purpose, queries.StateRow], texts: tuple[Text, ...], language: Language
) -> list[Consent]:
    consents = []
    for purpose in Purpose:
        text = rules.text_in_force(purpose, texts)
        state = states.get(purpose)
        if state and state.granted and not rules.still_counts(purpose, state.text_version, texts):
            state = None
        consents.append(
            Consent(
                purpose,
                text.version,
                text.title[language],
                text.text[language],
                None if state is None else state.granted,
                None if state is None else state.decided_at,
            )
        )
    return consents


async def decide(
    tx: Tx,
    person_no: int,
    purpose: Purpose,
    *,
    text_version: str,
    granted: bool,
    channel: Channel,
    language: Language,
    origin: Origin = _NOBODY,
) -> None:
    """Keep what a person decided about a purpose; saying the same again adds nothing.

    Raises TextOutdated when other words are in force, except for a withdrawal, which always counts.
    """
    texts = _own(await queries.list_texts(tx)) if granted else await _texts(tx)
    in_force = rules.text_in_force(purpose, texts).version
    if granted and text_version != in_force:
        raise TextOutdated(text_version=in_force)
    state = (await _words(tx, person_no)).get(purpose)
    is_own = state is not None and state.person_no == person_no
    if state and is_own and (state.granted, state.text_version) == (granted, text_version):
        return
    shown = next((t for t in texts if (t.purpose, t.version) == (purpose, text_version)), None)
    await queries.insert_decision(
        tx,
        decision_id=new_id(),
        person_no=person_no,
        purpose=purpose,
        text_version=text_version,
        granted=granted,
        at=clock.now(),
        channel=channel,
        language=language,
        text_hash=rules.hash_of(shown, language) if shown else None,
        ip_hash=vault().lookup(origin.ip) if origin.ip else None,
        agent=origin.agent[:200] if origin.agent else None,
    )
    emit(
        tx,
        ConsentDecided(
            person_no=person_no, purpose=purpose, text_version=text_version, granted=granted
        ),
    )
    if state and state.granted and not granted:
        emit(tx, ConsentWithdrawn(person_no=person_no, purpose=purpose))


async def counts_from(tx: ReadTx, persons: Sequence[int], purpose: Purpose) -> datetime:
    """From when on what a person of these records does may be kept for a purpose: since the first
    yes after their last no; while it is a no, from now on at the earliest."""
    return await queries.first_yes_after_no(tx, persons, purpose) or clock.now()


async def withdrawn_at(tx: ReadTx, persons: Sequence[int], purpose: Purpose) -> datetime | None:
    """When a person of these records last said no, by whichever of them."""
    return await queries.last_no(tx, persons, purpose)


async def allows(tx: ReadTx, person_no: int, purpose: Purpose) -> bool:
    """Whether the person's last word on a purpose is a yes that still counts; silence is a no."""
    return person_no in await those_allowing(tx, [person_no], purpose)


async def those_allowing(tx: ReadTx, persons: Collection[int], purpose: Purpose) -> set[int]:
    """Those of the persons who agreed to a purpose, in two trips.

    A no of any record of a merged person holds until the person says yes anew after the merge.
    """
    texts = await _texts(tx)
    ties = await members.ties_of(tx, persons)
    numbers = {*persons, *(one for tie in ties.values() for one in tie.person_nos)}
    said: dict[int, list[queries.StateRow]] = {}
    for row in await queries.list_states(tx, list(numbers), purpose):
        said.setdefault(row.person_no, []).append(row)
    found = set()
    for person_no in persons:
        tie = ties.get(person_no)
        rows = said.get(person_no, [])
        if tie is not None:
            rows = [row for one in tie.person_nos for row in said.get(one, [])]
        word = rules.word_of(rows, tie.merged_at if tie else None)
        if word and word.granted and rules.still_counts(purpose, word.text_version, texts):
            found.add(person_no)
    return found


async def words_of_merged(tx: ReadTx, persons: Collection[int]) -> dict[int, dict[Purpose, bool]]:
    """What counts of the words of those of the persons who are more than one record."""
    ties = await members.ties_of(tx, persons)
    return {
        person_no: {purpose: row.granted for purpose, row in (await _words(tx, person_no)).items()}
        for person_no in ties
    }


async def counts_now(shop_id: ShopId, purpose: Purpose, text_version: str) -> bool:
    """Whether agreeing to this version covers the purpose now (visitors send it each time)."""
    return rules.still_counts(purpose, text_version, await _texts_of(shop_id))


async def list_decisions(tx: ReadTx, person_no: int) -> list[Decision]:
    """The newest decisions of a person, the proof."""
    return await queries.list_decisions(tx, person_no, DECISIONS_SHOWN)
