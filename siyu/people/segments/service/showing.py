"""What is told of segments: words, why somebody is in, days, overlaps, tables to take along."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from siyu.kernel import clock, tables
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.kernel.tables import Cell
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.members.contracts import MemberSummary
from siyu.people.profiles import service as profiles
from siyu.people.segments import queries, rules
from siyu.people.segments.contracts import (
    BadCondition,
    Explanation,
    Overlap,
    Rule,
    Segment,
    SegmentNotFound,
    Snapshot,
)
from siyu.people.segments.rules import Names
from siyu.people.segments.service.following import recount_all
from siyu.people.segments.service.judging import moment_of, someones
from siyu.people.segments.service.saving import bits_of, get_segment
from siyu.warehouse.registry import service as registry

MEMBERS_KEPT = timedelta(days=90)
"""Who was in a snapshot is known for so long; how many there were, for ever."""
OVERLAPS_MAX = 8
ROWS = 500


class Belonging(msgspec.Struct, frozen=True):
    """A segment and one person: whether they are in it, and why; finding null: a fixed one."""

    segment_id: UUID
    name: str
    fits: bool
    finding: Explanation | None


async def names_of(shop_id: ShopId, language: Language) -> Names:
    """What things are called in a shop. Opens its own transactions."""
    place = 0 if language == "zh-CN" else 1
    own = {one.name: (one.title_zh, one.title_en) for one in await registry.list_titles(shop_id)}
    words = registry.CATALOGUE
    async with reading(shop_id) as tx:
        saved = await queries.list_segments(tx)
        tags = await profiles.list_tag_names(tx)
        tiers = (await profiles.get_rules(tx)).rules
    return Names(
        language,
        {
            name: registry.title_of(words, name, own.get(name, ("", "")))[place]
            for name in own.keys() | words.keys()
        },
        tags,
        {one.segment_id: one.name for one in saved},
        {
            f"{ladder}.{tier.key}": (tier.zh, tier.en)[place]
            for ladder, tiers in (("tier", tiers.tier), ("life", tiers.life))
            for tier in tiers
        },
    )


def sentence_of(rule: Rule | None, names: Names) -> str:
    """A rule as people say it."""
    if rule is None:
        return names.say("固定的一群人", "Fixed persons")
    return rules.sentence(rule, names)


async def explain(
    shop_id: ShopId, person_no: int, names: Names, *, reveals: bool, only: UUID | None = None
) -> list[Belonging]:
    """Of all segments, or one, whether a person is in it now, and why; those they are in first.

    reveals: amounts are told. Opens its own transactions. Raises SegmentNotFound.
    """
    async with reading(shop_id) as tx:
        saved = await queries.list_segments(tx)
    if only is not None:
        saved = [one for one in saved if one.segment_id == only]
        if not saved:
            raise SegmentNotFound
    ruled = [one.rule for one in saved if one.rule is not None]
    ground = await someones(shop_id, [person_no], ruled)
    one = ground.people[ground.roots[person_no]]
    async with reading(shop_id) as tx:
        fixed = {
            segment_id for segment_id, _ in await queries.list_fixed_of(tx, sorted(ground.roots))
        }
    found = []
    for segment in saved:
        if segment.rule is None:
            fits = segment.segment_id in fixed
            found.append(Belonging(segment.segment_id, segment.name, fits, None))
            continue
        moment = moment_of(ground, segment.bars)
        finding = rules.explain(segment.rule, one, moment, names, reveals=reveals)
        fits = finding.fits and (one.profile is not None or bool(one.deeds))
        found.append(Belonging(segment.segment_id, segment.name, fits, finding))
    return sorted(found, key=lambda belonging: not belonging.fits)


# --- days -------------------------------------------------------------------------------------


async def take_snapshots(shop_id: ShopId) -> int:
    """Keep how the shop's segments stand on this business day, once a day, counted anew; how many.

    Opens its own transactions.
    """
    async with reading(shop_id) as tx:
        today = clock.business_day(clock.now(), await shops.get_time_zone(tx))
        due = await queries.list_without_snapshot(tx, today)
    if not due:
        return 0
    await recount_all(shop_id)
    for segment_id in due:
        async with transaction(shop_id) as tx:
            if held := await queries.lock_segments(tx, [segment_id]):
                await _snap(tx, held[segment_id], today)
    async with transaction(shop_id) as tx:
        await queries.delete_old_members(tx, today - MEMBERS_KEPT)
    return len(due)


async def _snap(tx: Tx, segment: Segment, today: date) -> None:
    now = await bits_of(tx, segment)
    before = await queries.get_day_before(tx, segment.segment_id, today)
    was = now if before is None else await _bits_on(tx, segment.segment_id, before)
    size = now.bit_count()
    one = Snapshot(today, size, (now & ~was).bit_count(), (was & ~now).bit_count())
    await queries.insert_snapshot(tx, segment.segment_id, one, clock.now())


async def _bits_on(tx: ReadTx, segment_id: UUID, on: date) -> int:
    rows = await queries.list_snapshot_blocks(tx, segment_id, on)
    return rules.joined((row.block, row.bits) for row in rows)


async def growth(tx: ReadTx, ids: Sequence[UUID], days: int) -> dict[UUID, list[Snapshot]]:
    """The days of segments, oldest first."""
    today = clock.business_day(clock.now(), await shops.get_time_zone(tx))
    return await queries.list_snapshots(tx, ids, today - timedelta(days=days))


async def list_movers(
    tx: ReadTx,
    segment_id: UUID,
    on: date,
    which: Literal["came", "left"],
    after: int,
    limit: int,
) -> list[int]:
    """Who came or left between the snapshot of a day and the one before it, by number.

    Nobody once the members of those days are forgotten. Raises SegmentNotFound.
    """
    await get_segment(tx, segment_id)
    before = await queries.get_day_before(tx, segment_id, on)
    if before is None:
        return []
    now, was = await _bits_on(tx, segment_id, on), await _bits_on(tx, segment_id, before)
    bits = now & ~was if which == "came" else was & ~now
    return rules.numbers_of(bits >> (after + 1) << (after + 1))[:limit]


async def overlap(tx: ReadTx, ids: Sequence[UUID]) -> Overlap:
    """How segments lie over each other, as last judged. Raises SegmentNotFound, BadCondition."""
    if not 2 <= len(set(ids)) == len(ids) <= OVERLAPS_MAX:
        raise BadCondition(
            zh=f"请选 2 到 {OVERLAPS_MAX} 个不同的人群",
            en=f"choose 2 to {OVERLAPS_MAX} different segments",
        )
    return rules.overlap([await bits_of(tx, await get_segment(tx, one)) for one in ids])


# --- tables -----------------------------------------------------------------------------------

_HEADER: dict[Language, tuple[str, ...]] = {
    "zh-CN": (
        "编号", "昵称", "手机号", "会员等级", "注册时间", "运营分层", "生命周期", "累计消费（元）",
    ),
    "en": ("Number", "Name", "Phone", "Level", "Joined", "Tier", "Life-cycle", "Paid (yuan)"),
}  # fmt: skip


def export_header(language: Language) -> tuple[str, ...]:
    """What stands above the columns of `export_members`."""
    return _HEADER[language]


async def export_members(
    shop_id: ShopId, segment_id: UUID, mark: str, *, reveals: bool, language: Language = "zh-CN"
) -> AsyncIterator[list[list[Cell]]]:
    """The members of a segment as rows of a table; phone numbers covered, amounts only for who may
    reveal. mark: the last line. Opens its own short transactions. Raises SegmentNotFound.
    """
    async with reading(shop_id) as tx:
        bits = await bits_of(tx, await get_segment(tx, segment_id))
        tiers = (await profiles.get_rules(tx)).rules
        zone = ZoneInfo(await shops.get_time_zone(tx))
    places = {
        tier.key: tier.zh if language == "zh-CN" else tier.en for tier in (*tiers.tier, *tiers.life)
    }
    numbers = rules.numbers_of(bits)
    for at in range(0, len(numbers), ROWS):
        part = numbers[at : at + ROWS]
        async with reading(shop_id) as tx:
            rows = {
                one.person_no: one
                for one in await members.list_members(tx, None, None, ROWS, persons=part)
            }
            known = await profiles.known_of(tx, part)
        yield [
            [
                number,
                *_of_member(rows.get(number), zone, language),
                *_of_profile(known.get(number), places, reveals),
            ]
            for number in part
        ]
    yield [[tables.inert(mark)]]


def _of_member(member: MemberSummary | None, zone: ZoneInfo, language: Language) -> list[Cell]:
    if member is None:
        return ["", "", "", ""]
    return [
        tables.inert(member.nickname),
        member.phone_masked or "",
        members.word_of_level(member.level, language),
        f"{member.joined_at.astimezone(zone):%Y-%m-%d}",
    ]


def _of_profile(
    profile: profiles.Known | None, places: Mapping[str, str], reveals: bool
) -> list[Cell]:
    if profile is None:
        return ["", "", ""]
    return [
        places.get(profile.tier or "", ""),
        places.get(profile.life or "", ""),
        tables.major(profile.fields.get("orders_fen", 0)) if reveals else "",
    ]
