"""Profiles in the console: a person's page, the catalogue of fields, tiers, tags."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter
from msgspec import Meta

from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import Page, decode_cursor, delete, get, post, put, staff
from siyu.kernel.i18n import language_of
from siyu.people.members import service as members
from siyu.people.members.contracts import MemberDetail, MemberSummary
from siyu.people.profiles import rules, service
from siyu.people.profiles.contracts import (
    Body,
    Field,
    Profile,
    Tag,
    TagDraft,
    TagFinding,
    TierCount,
    TierFinding,
    TierRules,
    TierVersion,
    TimelineEntry,
    TimelineKind,
)

READ, WRITE, REVEAL = staff("members.read"), staff("members.write"), "members.reveal"


class ProfileView(msgspec.Struct, frozen=True):
    """A member and what is known of them; the words of their tiers in `tiers`, and in `why`, per
    ladder, the tiers down to the one that fits now with what each asks."""

    member: MemberDetail
    profile: Profile
    tiers: TierRules
    why: dict[str, list[TierFinding]]


class FieldChoice(msgspec.Struct, frozen=True):
    """A value that a field can have, in words."""

    value: str
    zh: str
    en: str


class FieldView(Field, frozen=True, kw_only=True):
    """A field, what its values are called (empty: any), and how many of the 2,000 newest persons
    have one."""

    choices: list[FieldChoice]
    persons: int


class FieldList(msgspec.Struct, frozen=True):
    """The catalogue, in the order of its groups."""

    items: list[FieldView]


class TiersView(msgspec.Struct, frozen=True):
    """Rules in force and before (newest first), the sentences of each by ladder and key, and how
    many persons stand where."""

    versions: list[TierVersion]
    sentences: list[dict[str, dict[str, str]]]
    counts: list[TierCount]


class TiersBody(Body, frozen=True, kw_only=True):
    """Rules to put in force, written from `base_version`, and why."""

    rules: TierRules
    base_version: Annotated[int, Meta(ge=0, le=10**6)]
    note: Annotated[str, Meta(max_length=200)] = ""


class TagView(msgspec.Struct, frozen=True):
    """A tag with its rule in words ("" when it is given by hand)."""

    tag: Tag
    sentence: str


class TagList(msgspec.Struct, frozen=True):
    """Tags by group and name."""

    items: list[TagView]


class FindingList(msgspec.Struct, frozen=True):
    """What is to be looked over this quarter."""

    items: list[TagFinding]


class GivenBody(Body, frozen=True, kw_only=True):
    """The tag to give."""

    tag_id: UUID


class MergeBody(Body, frozen=True, kw_only=True):
    """The tag that takes the persons over."""

    into: UUID


class TaggedView(msgspec.Struct, frozen=True):
    """Somebody with a tag; member null: a visitor without account."""

    person_no: int
    member: MemberSummary | None


def _tag_view(tag: Tag, request: Request[Any, Any, Any]) -> TagView:
    language = language_of(request.headers.get("accept-language"))
    return TagView(tag, rules.made_by_words(tag.making, language))


# --- one person -------------------------------------------------------------------------------


@get("/members/{member_id:uuid}/profile", access=READ)
async def show_profile(
    member_id: UUID, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> ProfileView:
    """All that is known of a member. Amounts as bounds for staff who may not reveal."""
    reveals = REVEAL in staff.permissions
    language = language_of(request.headers.get("accept-language"))
    async with reading(staff.shop_id) as tx:
        member, profile = await service.get_profile(tx, member_id, reveals=reveals)
        tiers = (await service.get_rules(tx)).rules
        why = await service.why_placed(tx, member.person_no, tiers, language, reveals=reveals)
    return ProfileView(member, profile, tiers, why)


@get("/members/{member_id:uuid}/timeline", access=READ)
async def show_timeline(
    member_id: UUID,
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
    kind: list[TimelineKind] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 30,
) -> Page[TimelineEntry]:
    """What a member did, newest first, in words; amounts only for staff who may reveal."""
    async with reading(staff.shop_id) as tx:
        member = await members.get_member(tx, member_id)
        tiers = (await service.get_rules(tx)).rules
    rows, places = await service.list_timeline(
        staff.shop_id,
        member.person_no,
        language_of(request.headers.get("accept-language")),
        tiers=tiers,
        kinds=kind or [],
        since=since,
        until=until,
        before=decode_cursor(cursor, tuple[int, int]),
        limit=limit + 1,
    )
    if REVEAL not in staff.permissions:
        rows = [msgspec.structs.replace(row, amount_fen=None) for row in rows]
    by_no = {row.event_no: place for row, place in zip(rows, places, strict=True)}
    return Page.of(rows, limit, lambda row: list(by_no[row.event_no]))


@post("/members/{member_id:uuid}/tags", access=WRITE, status_code=204)
async def give_tag(member_id: UUID, data: GivenBody, staff: StaffIdentity) -> None:
    """Give a member a tag by hand."""
    async with transaction(staff.shop_id) as tx:
        member = await members.get_member(tx, member_id)
        await service.give_tag(tx, staff, data.tag_id, member.person_no)


@delete("/members/{member_id:uuid}/tags/{tag_id:uuid}", access=WRITE)
async def take_tag(member_id: UUID, tag_id: UUID, staff: StaffIdentity) -> None:
    """Take a tag from a member that was given by hand."""
    async with transaction(staff.shop_id) as tx:
        member = await members.get_member(tx, member_id)
        await service.take_tag(tx, staff, tag_id, member.person_no)


# --- catalogue and tiers ----------------------------------------------------------------------


@get("/profile-fields", access=READ)
async def list_profile_fields(staff: StaffIdentity) -> FieldList:
    """Every field of a profile: source, purpose, how long it is kept, how it is masked."""
    async with reading(staff.shop_id) as tx:
        counts = await service.count_fields(tx)
    return FieldList(
        [
            FieldView(
                **msgspec.structs.asdict(field),
                choices=[
                    FieldChoice(value, *words)
                    for value, words in rules.CHOICES.get(key, {}).items()
                ],
                persons=counts.get(key, 0),
            )
            for key, field in rules.FIELDS.items()
        ]
    )


@post("/profiles/rebuild", access=WRITE, status_code=202)
async def rebuild_profiles(staff: StaffIdentity) -> None:
    """Have all profiles made anew from all events; the worker begins within seconds."""
    async with transaction(staff.shop_id) as tx:
        await service.ask_rebuild(tx)


async def _tiers(tx: Any, request: Request[Any, Any, Any]) -> TiersView:
    language = language_of(request.headers.get("accept-language"))
    versions = await service.list_rules(tx)
    words = [
        {
            name: {tier.key: rules.sentence(tier.rule, language) for tier in ladder}
            for name, ladder in (("tier", one.rules.tier), ("life", one.rules.life))
        }
        for one in versions
    ]
    return TiersView(versions, words, await service.count_tiers(tx))


@get("/tiers", access=READ)
async def show_tiers(staff: StaffIdentity, request: Request[Any, Any, Any]) -> TiersView:
    """The rules of tiers with their history, and how many persons stand where."""
    async with reading(staff.shop_id) as tx:
        return await _tiers(tx, request)


@put("/tiers", access=WRITE)
async def set_tiers(
    data: TiersBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> TiersView:
    """Put rules of tiers in force; the worker judges everybody by them."""
    async with transaction(staff.shop_id) as tx:
        await service.set_rules(tx, staff, data.rules, data.base_version, data.note)
        return await _tiers(tx, request)


# --- tags -------------------------------------------------------------------------------------


@get("/tags", access=READ)
async def list_tags(
    staff: StaffIdentity, request: Request[Any, Any, Any], retired: bool = False
) -> TagList:
    """Tags in use, or those retired, with their persons."""
    async with reading(staff.shop_id) as tx:
        found = await service.list_tags(tx, retired=retired)
    return TagList([_tag_view(tag, request) for tag in found])


@post("/tags", access=WRITE, status_code=201)
async def make_tag(
    data: TagDraft, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> TagView:
    """Make a tag."""
    async with transaction(staff.shop_id) as tx:
        return _tag_view(await service.make_tag(tx, staff, data), request)


@get("/tags/review", access=READ)
async def review_tags(staff: StaffIdentity) -> FindingList:
    """Tags nobody has, nobody gets, that say the same, or were not looked at for a quarter."""
    async with reading(staff.shop_id) as tx:
        return FindingList(await service.review_tags(tx))


@put("/tags/{tag_id:uuid}", access=WRITE)
async def change_tag(
    tag_id: UUID, data: TagDraft, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> TagView:
    """Write a tag anew."""
    async with transaction(staff.shop_id) as tx:
        return _tag_view(await service.rename_tag(tx, staff, tag_id, data), request)


@post("/tags/{tag_id:uuid}/retire", access=WRITE, status_code=204)
async def retire_tag(tag_id: UUID, staff: StaffIdentity) -> None:
    """Take a tag out of use and from everybody."""
    async with transaction(staff.shop_id) as tx:
        await service.retire_tag(tx, staff, tag_id)


@post("/tags/{tag_id:uuid}/merge", access=WRITE, status_code=204)
async def merge_tag(tag_id: UUID, data: MergeBody, staff: StaffIdentity) -> None:
    """Retire a tag in favour of another one."""
    async with transaction(staff.shop_id) as tx:
        await service.merge_tag(tx, staff, tag_id, data.into)


@post("/tags/{tag_id:uuid}/keep", access=WRITE, status_code=204)
async def keep_tag(tag_id: UUID, staff: StaffIdentity) -> None:
    """Note that a tag was looked over this quarter and stays."""
    async with transaction(staff.shop_id) as tx:
        await service.keep_tag(tx, staff, tag_id)


@get("/tags/{tag_id:uuid}/persons", access=READ)
async def list_tagged(
    tag_id: UUID,
    staff: StaffIdentity,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[TaggedView]:
    """Who has a tag, by person number; members masked."""
    (after,) = decode_cursor(cursor, tuple[int]) or (0,)
    async with reading(staff.shop_id) as tx:
        numbers = await service.list_persons_with(tx, tag_id, after, limit + 1)
        known = await members.list_members(tx, None, None, limit + 1, persons=numbers)
    by_number = {member.person_no: member for member in known}
    rows = [TaggedView(number, by_number.get(number)) for number in numbers]
    return Page.of(rows, limit, lambda row: [row.person_no])


routes = [
    show_profile,
    show_timeline,
    give_tag,
    take_tag,
    list_profile_fields,
    rebuild_profiles,
    show_tiers,
    set_tiers,
    list_tags,
    make_tag,
    review_tags,
    change_tag,
    retire_tag,
    merge_tag,
    keep_tag,
    list_tagged,
]
