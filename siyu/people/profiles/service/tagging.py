"""Tags: made, given and taken by hand, looked over each quarter."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.people.profiles import queries, rules
from siyu.people.profiles.contracts import (
    TAGS_MAX,
    ByHand,
    NotByHand,
    Tag,
    TagDraft,
    TagFinding,
    TagGroup,
    TagNameTaken,
    TagNotFound,
    TooManyTags,
)
from siyu.people.profiles.service import asking_store

log = logging.getLogger("siyu.profiles")

LISTED = "导入名单"
"""Who gives a tag that an imported list gives."""
QUARTER = timedelta(days=90)
STALE = timedelta(days=180)
OVERLAP_BPS = 9_000
"""Of the persons with either tag, those with both: from here on two tags say the same."""


async def list_tags(tx: ReadTx, *, retired: bool = False) -> list[Tag]:
    """Tags in use, or those that were, with their persons."""
    return await queries.list_tags(tx, counted=True, retired=retired)


async def make_tag(tx: Tx, actor: Actor, draft: TagDraft) -> Tag:
    """Make a tag; rules and scores are applied to everybody within minutes.

    Raises BadRule, TagNameTaken, TooManyTags.
    """
    rules.check_making(draft.making)
    if len(await queries.list_tags(tx, counted=False)) >= TAGS_MAX:
        raise TooManyTags(limit=TAGS_MAX)
    now = clock.now()
    tag = Tag(
        new_id(), draft.name.strip(), draft.group, draft.note, draft.making, actor.actor_name,
        now, now, None, 0, None,
    )  # fmt: skip
    if not await queries.insert_tag(tx, tag):
        raise TagNameTaken
    await _apply(tx, tag)
    audit(tx, actor, "profiles.tag_made", ("tag", tag.tag_id), after={"name": tag.name})
    return tag


async def make_default_tags(tx: Tx, actor: Actor) -> None:
    """The tags that come with every shop; nothing when it has or had any."""
    if await list_tags(tx) or await list_tags(tx, retired=True):
        return
    for draft in rules.DEFAULT_TAGS:
        await make_tag(tx, actor, draft)


async def rename_tag(tx: Tx, actor: Actor, tag_id: UUID, draft: TagDraft) -> Tag:
    """Write a tag anew. Raises TagNotFound, BadRule, TagNameTaken; NotByHand: it is retired."""
    before = await _used(tx, tag_id)
    rules.check_making(draft.making)
    after = msgspec.structs.replace(
        before, name=draft.name.strip(), group=draft.group, note=draft.note, making=draft.making
    )
    if not await queries.update_tag(tx, after, None, clock.now()):
        raise TagNameTaken
    if before.making != after.making:
        await queries.clear_tag(tx, tag_id)
        await _apply(tx, after)
    audit(
        tx, actor, "profiles.tag_changed", ("tag", tag_id),
        before={"name": before.name}, after={"name": after.name},
    )  # fmt: skip
    return await _found(tx, tag_id)


async def retire_tag(tx: Tx, actor: Actor, tag_id: UUID) -> None:
    """Take a tag out of use and from everybody. Raises TagNotFound, NotByHand."""
    tag = await _used(tx, tag_id)
    await queries.clear_tag(tx, tag_id)
    await queries.update_tag(tx, tag, clock.now(), clock.now())
    audit(tx, actor, "profiles.tag_retired", ("tag", tag_id), before={"persons": tag.person_count})


async def merge_tag(tx: Tx, actor: Actor, tag_id: UUID, into: UUID) -> None:
    """Retire a tag; whoever had it has `into` instead, if that is given by hand.

    Raises TagNotFound, NotByHand (one is retired, or both are the same).
    """
    target = await _used(tx, into)
    if into == tag_id:
        raise NotByHand
    if isinstance(target.making, ByHand):
        await queries.move_tagged(tx, tag_id, into)
    await retire_tag(tx, actor, tag_id)


async def keep_tag(tx: Tx, actor: Actor, tag_id: UUID) -> None:
    """Note that a tag was looked over and stays as it is. Raises TagNotFound, NotByHand."""
    tag = await _used(tx, tag_id)
    await queries.update_tag(tx, tag, None, clock.now())
    audit(tx, actor, "profiles.tag_kept", ("tag", tag_id))


async def give_tag(tx: Tx, actor: Actor, tag_id: UUID, person_no: int) -> None:
    """Give a tag by hand. Raises TagNotFound, NotByHand."""
    tag = await _used(tx, tag_id)
    if not isinstance(tag.making, ByHand):
        raise NotByHand
    await queries.give_tags(tx, [(person_no, tag_id, None)], actor.actor_name, clock.now())
    await asking_store.set_due(tx, person_no)
    audit(tx, actor, "profiles.tag_given", ("person", person_no), after={"tag": tag.name})


async def give_listed(tx: Tx, tags: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Give the tags of an imported list by name: name → persons. A name that is new becomes a tag
    by hand; one that a rule or a score gives, or for which there is no more room, is left out.

    Returns how many persons got which; run again, it gives the same.
    """
    known = {tag.name: tag for tag in await queries.list_tags(tx, counted=False)}
    given = {}
    for name, persons in sorted(tags.items()):
        tag = known.get(name)
        if tag is None and len(known) < TAGS_MAX:
            tag = await make_tag(
                tx, System(), TagDraft(name=name, group=TagGroup.BASIC, making=ByHand())
            )
            known[name] = tag
        if tag is None or not isinstance(tag.making, ByHand):
            log.warning("a tag of a list is left out", extra={"tag": name})
            continue
        rows = [(person_no, tag.tag_id, None) for person_no in persons]
        await queries.give_tags(tx, rows, LISTED, clock.now())
        given[name] = len(rows)
    await asking_store.set_due(tx, *{one for persons in tags.values() for one in persons})
    return given


async def take_tag(tx: Tx, actor: Actor, tag_id: UUID, person_no: int) -> None:
    """Take a tag that was given by hand. Raises TagNotFound, NotByHand."""
    tag = await _used(tx, tag_id)
    if not isinstance(tag.making, ByHand):
        raise NotByHand
    await queries.take_tags(tx, [(person_no, tag_id)])
    await asking_store.set_due(tx, person_no)
    audit(tx, actor, "profiles.tag_taken", ("person", person_no), before={"tag": tag.name})


async def list_persons_with(tx: ReadTx, tag_id: UUID, after: int, limit: int) -> list[int]:
    """Who has a tag, by number. Raises TagNotFound."""
    await _found(tx, tag_id)
    return await queries.list_persons_with(tx, tag_id, after, limit)


async def review_tags(tx: ReadTx) -> list[TagFinding]:
    """What is to be looked over (mission 104); a tag kept within the quarter is left out.

    A pair that overlaps stands under the tag with fewer persons.
    """
    now = clock.now()
    tags = {tag.tag_id: tag for tag in await list_tags(tx)}
    found: list[TagFinding] = []
    fresh = {tag.tag_id for tag in tags.values() if tag.reviewed_at > now - QUARTER}
    said: set[UUID] = set()
    for pair in await queries.list_overlaps(tx):
        if pair.one not in tags or pair.other not in tags:
            continue
        less, more = sorted(
            (tags[pair.one], tags[pair.other]), key=lambda tag: (tag.person_count, tag.name)
        )
        share = pair.both * 10_000 // (less.person_count + more.person_count - pair.both)
        kept = less.reviewed_at > less.created_at and less.tag_id in fresh
        if share >= OVERLAP_BPS and not kept:
            found.append(TagFinding(less, "overlapping", more, share))
            said.add(less.tag_id)
    for tag in tags.values():
        reason: Literal["unused", "stale", "due"] | None = None
        if tag.tag_id not in fresh and tag.tag_id not in said:
            given = tag.last_given_at
            if not tag.person_count:
                reason = "unused"
            else:
                reason = "stale" if given is None or given < now - STALE else "due"
        if reason:
            found.append(TagFinding(tag, reason, None, None))
    return found


async def _apply(tx: Tx, tag: Tag) -> None:
    if not isinstance(tag.making, ByHand):
        await queries.set_all_due(tx)


async def _found(tx: ReadTx, tag_id: UUID) -> Tag:
    tag = await queries.get_tag(tx, tag_id)
    if tag is None:
        raise TagNotFound
    return tag


async def _used(tx: ReadTx, tag_id: UUID) -> Tag:
    tag = await _found(tx, tag_id)
    if tag.retired_at is not None:
        raise NotByHand
    return tag
