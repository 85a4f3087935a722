"""Consents as staff see them: how many agree, and the proof of one member."""

from uuid import UUID

import msgspec

from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading
from siyu.kernel.http import get, staff
from siyu.people.consents import queries, service
from siyu.people.consents.contracts import Decision
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


routes = [count_consents, list_decisions]
