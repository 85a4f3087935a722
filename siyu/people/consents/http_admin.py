"""Consents as staff see them: how many agree, and the proof of one member."""

from uuid import UUID

import msgspec

from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import get, post, staff
from siyu.people.consents import queries, service
from siyu.people.consents.contracts import Decision, PublishedText, TextDraft
from siyu.people.members import service as members


class ConsentCounts(msgspec.Struct, frozen=True):
    """Persons per purpose, version of the text and answer."""

    items: list[queries.CountRow]


class DecisionList(msgspec.Struct, frozen=True):
    """The decisions of one member, newest first."""

    items: list[Decision]


@get("/consents", access=staff("members.read"))
async def count_consents(staff: StaffIdentity) -> ConsentCounts:
    """How many persons agree to what."""
    async with reading(staff.shop_id) as tx:
        return ConsentCounts(await queries.count_states(tx))


@get("/members/{member_id:uuid}/consents", access=staff("members.read"))
async def list_decisions(member_id: UUID, staff: StaffIdentity) -> DecisionList:
    """What a member decided, when, where and to which words."""
    async with reading(staff.shop_id) as tx:
        member = await members.get_member(tx, member_id)
        return DecisionList(await service.list_decisions(tx, member.person_no))


class TextList(msgspec.Struct, frozen=True):
    """All versions, newest first; the first of each purpose is in force. waiting_case_id: words
    just written wait for a second person's signature there."""

    items: list[PublishedText]
    waiting_case_id: UUID | None


@get("/consent-texts", access=staff("members.read"))
async def list_texts(staff: StaffIdentity) -> TextList:
    """What customers are asked, in all versions."""
    async with reading(staff.shop_id) as tx:
        return TextList(await service.list_versions(tx), None)


@post("/consent-texts", access=staff("shop.write"), status_code=201)
async def publish_text(data: TextDraft, staff: StaffIdentity) -> TextList:
    """Have new words put in force, when a second person has signed them; what is published cannot
    be changed any more."""
    async with transaction(staff.shop_id) as tx:
        case = await service.ask_text(tx, staff, data)
        return TextList(await service.list_versions(tx), case.case_id if case else None)


routes = [count_consents, list_decisions, list_texts, publish_text]
