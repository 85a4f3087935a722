"""What is known of one person, and what they did."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.db import ReadTx
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.members.contracts import MemberDetail
from siyu.people.profiles import queries, rules
from siyu.people.profiles.contracts import (
    Profile,
    TierCount,
    TierFinding,
    TierRules,
    TimelineEntry,
    TimelineKind,
    Values,
)
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import EventRow, Questions
from siyu.warehouse.query.contracts import ListSpec, Step

MOVES_SHOWN = 20
LISTED = timedelta(days=3_650)


async def get_profile(
    tx: ReadTx, member_id: UUID, *, reveals: bool
) -> tuple[MemberDetail, Profile]:
    """A member and what is known of them. Raises MemberNotFound.

    reveals: amounts in figures; else as the bounds between which they lie.
    """
    member = await members.get_detail(tx, member_id)
    found = await queries.list_people(tx, [member.person_no])
    done = await queries.get_pass(tx)
    row = found[0] if found else None
    values: Values = dict(row.fields) if row else {}
    tracks = values.get("analytics_last_granted")
    if tracks is None:
        tracks = bool(values.keys() & rules.VISITS_FIELDS)
    values |= {
        key: value
        for key in ("nickname", "phone_masked", "level", "country", "device_count", "address_count")
        if (value := getattr(member, key)) is not None
    }
    return member, Profile(
        person_no=member.person_no,
        tier=row.tier if row else None,
        life=row.life if row else None,
        tracks=bool(tracks),
        refreshed_at=row.refreshed_at if row else None,
        visited_at=engines.from_us(done.visited_us) if done and done.visited_us else None,
        values=[
            rules.shown(field, values, tracks=bool(tracks), reveals=reveals)
            for field in rules.FIELDS.values()
        ],
        tags=await queries.list_person_tags(tx, member.person_no),
        moves=await queries.list_moves(tx, member.person_no, MOVES_SHOWN),
    )


async def why_placed(
    tx: ReadTx, person_no: int, asked: TierRules, language: Language, *, reveals: bool
) -> dict[str, list[TierFinding]]:
    """Per ladder the tiers down to the first that fits a person now, and why; empty before the
    first event of theirs was read.

    reveals: amounts are told.
    """
    found = await queries.list_people(tx, [person_no])
    if not found:
        return {"tier": [], "life": []}
    today = clock.business_day(clock.now(), await shops.get_time_zone(tx))
    return {
        name: rules.why_placed(ladder, found[0].fields, today, language, reveals=reveals)
        for name, ladder in (("tier", asked.tier), ("life", asked.life))
    }


async def tiers_of(tx: ReadTx, numbers: Sequence[int]) -> dict[int, tuple[str | None, str | None]]:
    """Tier and life of persons."""
    return {row.person_no: (row.tier, row.life) for row in await queries.list_people(tx, numbers)}


async def count_fields(tx: ReadTx) -> dict[str, int]:
    """Of the 2,000 newest persons, how many have a value, per field."""
    return await queries.count_fields(tx)


async def count_tiers(tx: ReadTx) -> list[TierCount]:
    """How many persons stand where, on both ladders."""
    return await queries.count_tiers(tx)


async def list_timeline(
    shop_id: ShopId,
    person_no: int,
    language: Language,
    *,
    tiers: TierRules,
    kinds: Sequence[TimelineKind],
    since: datetime | None,
    until: datetime | None,
    before: tuple[int, int] | None,
    limit: int,
) -> tuple[list[TimelineEntry], list[tuple[int, int]]]:
    """What a person did, newest first, and the places of the entries, for the next page.

    tiers: what the shop calls its tiers. kinds: none is all. Includes what visitors did who turned
    out to be this person. Asks the warehouse: no transaction may be open.
    """
    names = [name for kind in kinds or rules.KINDS for name in rules.KINDS[kind]]
    until = until or clock.now() + timedelta(minutes=1)
    since = since or until - LISTED
    if not since < until:
        return [], []
    spec = ListSpec(
        shop_id=shop_id,
        step=Step(tuple(names)),
        since=since,
        until=until,
        before=before,
        limit=limit,
        people=frozenset([person_no]),
    )
    [rows] = (await engines.ask(Questions(lists=(spec,)))).lists
    place = 0 if language == "zh-CN" else 1
    places = {
        f"{name}.{tier.key}": (tier.zh, tier.en)[place]
        for name, ladder in (("tier", tiers.tier), ("life", tiers.life))
        for tier in ladder
    }
    return [_entry(row, language, places) for row in rows], [
        (row.at_us, row.event_no) for row in rows
    ]


def _entry(row: EventRow, language: Language, places: Mapping[str, str]) -> TimelineEntry:
    return TimelineEntry(
        at=engines.from_us(row.at_us),
        event_no=str(row.event_no),
        kind=rules.EVENTS[row.name][0],
        name=row.name,
        label=rules.describe(row.name, language),
        text=rules.told(row.page, row.item_no, row.props, language, places),
        amount_fen=row.amount_fen or None,
    )
