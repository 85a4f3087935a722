"""Consents as staff see them: how many agree, and the proof of one member."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import get, post, staff
from siyu.people.consents import queries, service
from siyu.people.consents.contracts import Decision, PublishedText, Purpose
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


class TextBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """New words for a purpose, in both languages."""

    purpose: Purpose
    title_zh: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
    title_en: Annotated[str, Meta(min_length=1, max_length=80, pattern=r"\S")]
    text_zh: Annotated[str, Meta(min_length=20, max_length=4000)]
    text_en: Annotated[str, Meta(min_length=20, max_length=8000)]
    asks_more: bool


class TextList(msgspec.Struct, frozen=True):
    """All versions, newest first; the first of each purpose is in force."""

    items: list[PublishedText]


@get("/consent-texts", access=staff("members.read"))
async def list_texts(staff: StaffIdentity) -> TextList:
    """What customers are asked, in all versions."""
    async with reading(staff.shop_id) as tx:
        return TextList(await service.list_versions(tx))


@post("/consent-texts", access=staff("shop.write"), status_code=201)
async def publish_text(data: TextBody, staff: StaffIdentity) -> TextList:
    """Put new words in force; what is published cannot be changed any more."""
    async with transaction(staff.shop_id) as tx:
        await service.publish_text(
            tx,
            staff,
            data.purpose,
            title={"zh-CN": data.title_zh, "en": data.title_en},
            text={"zh-CN": data.text_zh, "en": data.text_en},
            asks_more=data.asks_more,
        )
        return TextList(await service.list_versions(tx))


routes = [count_consents, list_decisions, list_texts, publish_text]
