"""Verbs of the consents domain."""

from collections.abc import Collection

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.i18n import Language
from siyu.kernel.ids import new_id
from siyu.people.consents import queries, rules
from siyu.people.consents.contracts import (
    Channel,
    Consent,
    ConsentDecided,
    Decision,
    Purpose,
    TextOutdated,
)

DECISIONS_SHOWN = 200


def list_texts(language: Language) -> list[Consent]:
    """The words in force, for somebody who has not been asked yet."""
    return _consents({}, language)


async def list_consents(tx: ReadTx, person_no: int, language: Language) -> list[Consent]:
    """The words in force and what the person said to them."""
    states = {row.purpose: row for row in await queries.list_states(tx, person_no)}
    return _consents(states, language)


def _consents(states: dict[Purpose, queries.StateRow], language: Language) -> list[Consent]:
    consents = []
    for purpose in Purpose:
        text = rules.text_in_force(purpose)
        state = states.get(purpose)
        if state and state.granted and not rules.still_counts(purpose, state.text_version):
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
) -> None:
    """Keep what a person decided about a purpose; saying the same again adds nothing.

    Raises TextOutdated when other words are in force, except for a withdrawal, which always counts.
    """
    in_force = rules.text_in_force(purpose).version
    if granted and text_version != in_force:
        raise TextOutdated(text_version=in_force)
    states = {row.purpose: row for row in await queries.list_states(tx, person_no)}
    state = states.get(purpose)
    if state and (state.granted, state.text_version) == (granted, text_version):
        return
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
    )
    emit(
        tx,
        ConsentDecided(
            person_no=person_no, purpose=purpose, text_version=text_version, granted=granted
        ),
    )


async def allows(tx: ReadTx, person_no: int, purpose: Purpose) -> bool:
    """Whether the person's last word on a purpose is a yes that still counts; silence is a no."""
    return person_no in await those_allowing(tx, [person_no], purpose)


async def those_allowing(tx: ReadTx, persons: Collection[int], purpose: Purpose) -> set[int]:
    """Those of the persons who agreed to a purpose, in one trip."""
    return {
        row.person_no
        for row in await queries.list_granting(tx, list(persons), purpose)
        if rules.still_counts(purpose, row.text_version)
    }


def counts_now(purpose: Purpose, text_version: str) -> bool:
    """Whether agreeing to this version covers the purpose now (visitors send it each time)."""
    return rules.still_counts(purpose, text_version)


async def list_decisions(tx: ReadTx, person_no: int) -> list[Decision]:
    """The newest decisions of a person, the proof."""
    return await queries.list_decisions(tx, person_no, DECISIONS_SHOWN)
