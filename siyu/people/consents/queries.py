"""All SQL of the consents domain."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.i18n import Language
from siyu.people.consents.contracts import (
    Channel,
    Decision,
    PublishedText,
    Purpose,
)


class StateRow(msgspec.Struct, frozen=True):
    """What a record's person last said about a purpose."""

    person_no: int
    purpose: Purpose
    text_version: str
    granted: bool
    decided_at: datetime


class CountRow(msgspec.Struct, frozen=True):
    """How many persons last said yes or no to a version."""

    purpose: Purpose
    text_version: str
    granted_count: int
    refused_count: int


async def list_states(
    tx: ReadTx, persons: list[int], purpose: Purpose | None = None
) -> list[StateRow]:
    """The last decision of each record per purpose, or about one of them."""
    return await tx.all(
        StateRow,
        """select person_no, purpose, text_version, granted, decided_at from consents.states
           where shop_id = $1 and person_no = any($2::bigint[])
             and ($3::text is null or purpose = $3)""",
        *(tx.shop_id, persons, purpose),
    )


async def list_decisions(tx: ReadTx, person_no: int, limit: int) -> list[Decision]:
    """What a person decided, newest first."""
    return await tx.all(
        Decision,
        """select decision_id, purpose, text_version, granted, decided_at, channel, language,
             encode(text_hash, 'hex') as text_hash, agent
           from consents.decisions where shop_id = $1 and person_no = $2
           order by decision_id desc limit $3""",
        tx.shop_id,
        person_no,
        limit,
    )


async def first_yes_after_no(
    tx: ReadTx, persons: Sequence[int], purpose: Purpose
) -> datetime | None:
    """When these records' person first agreed after the last time that one of them refused."""
    found: datetime | None = await tx.value(
        """select min(decided_at) from consents.decisions
           where shop_id = $1 and person_no = any($2) and purpose = $3 and granted
             and decided_at > coalesce((
               select max(decided_at) from consents.decisions
               where shop_id = $1 and person_no = any($2) and purpose = $3 and not granted
             ), '-infinity')""",
        tx.shop_id,
        list(persons),
        purpose,
    )
    return found


async def last_no(tx: ReadTx, persons: Sequence[int], purpose: Purpose) -> datetime | None:
    """When one of these records last refused."""
    found: datetime | None = await tx.value(
        """select max(decided_at) from consents.decisions
           where shop_id = $1 and person_no = any($2) and purpose = $3 and not granted""",
        *(tx.shop_id, list(persons), purpose),
    )
    return found


async def count_states(tx: ReadTx) -> list[CountRow]:
    """Persons per purpose, version and answer."""
    return await tx.all(
        CountRow,
        """select purpose, text_version, count(*) filter (where granted) as granted_count,
             count(*) filter (where not granted) as refused_count
           from consents.states where shop_id = $1
           group by purpose, text_version order by purpose, text_version""",
        tx.shop_id,
    )


async def list_texts(tx: ReadTx) -> list[PublishedText]:
    """The shop's own words, oldest first."""
    return await tx.all(
        PublishedText,
        """select purpose, version, asks_more, title_zh, title_en, text_zh, text_en, published_at,
             published_by
           from consents.texts where shop_id = $1 order by published_at, version""",
        tx.shop_id,
    )


async def insert_text(tx: Tx, text: PublishedText) -> None:
    """Publish a version; its name must be free."""
    await tx.run(
        """insert into consents.texts (shop_id, purpose, version, asks_more, title_zh, title_en,
             text_zh, text_en, published_at, published_by)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        *(tx.shop_id, text.purpose, text.version, text.asks_more, text.title_zh, text.title_en),
        *(text.text_zh, text.text_en, text.published_at, text.published_by),
    )


async def insert_decision(
    tx: Tx,
    *,
    decision_id: UUID,
    person_no: int,
    purpose: Purpose,
    text_version: str,
    granted: bool,
    at: datetime,
    channel: Channel,
    language: Language,
    text_hash: bytes | None,
    ip_hash: bytes | None,
    agent: str | None,
) -> None:
    """Keep a decision and make it the state in force unless a later one is, in one trip."""
    await tx.run(
        """with decision as (
             insert into consents.decisions (shop_id, decision_id, person_no, purpose,
               text_version, granted, decided_at, channel, language, text_hash, ip_hash, agent)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12))
           insert into consents.states as s (shop_id, person_no, purpose, text_version, granted,
             decided_at, decision_id)
           values ($1, $3, $4, $5, $6, $7, $2)
           on conflict (shop_id, person_no, purpose) do update
             set text_version = excluded.text_version, granted = excluded.granted,
                 decided_at = excluded.decided_at, decision_id = excluded.decision_id
             where s.decided_at <= excluded.decided_at""",
        tx.shop_id,
        decision_id,
        person_no,
        purpose,
        text_version,
        granted,
        at,
        channel,
        language,
        text_hash,
        ip_hash,
        agent,
    )
