"""The rulebook in the console: read it, try a text against it, violations and policy."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.compliance.rulebook import service
from siyu.compliance.rulebook.contracts import (
    Draft,
    DraftBody,
    Finding,
    Override,
    Policy,
    Rule,
    Standing,
    Violation,
)
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import get, post, put, staff


class ViolationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is held against the shop."""

    happened_at: datetime
    source: Literal["platform", "own"]
    rule_id: Annotated[str, Meta(max_length=60)] | None = None
    points: Annotated[int, Meta(ge=0, le=1000)]
    what: Annotated[str, Meta(min_length=2, max_length=500, pattern=r"\S")]


class MoveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How it goes on."""

    state: Literal["open", "appealed", "upheld", "withdrawn"]
    note: Annotated[str, Meta(max_length=500)] = ""


class RulebookView(msgspec.Struct, frozen=True):
    """The rules in force."""

    version: str
    rules: list[Rule]


class DraftChecked(msgspec.Struct, frozen=True):
    """What a draft breaks; content_hash: what an override would be granted for."""

    findings: list[Finding]
    content_hash: str


class ViolationsView(msgspec.Struct, frozen=True):
    """Points, policy, and what they come from."""

    standing: Standing
    violations: list[Violation]
    overrides: list[Override]


@get("/rulebook", access=staff("shop.read"))
async def show_rulebook(staff: StaffIdentity) -> RulebookView:
    """All rules with their sources and fixes."""
    pack = service.pack_in_force()
    return RulebookView(pack.version, list(pack.rules))


@post("/rulebook/check", access=staff("shop.read"), status_code=200)
async def check_draft(data: DraftBody, staff: StaffIdentity) -> DraftChecked:
    """Check a text or a campaign, keeping nothing."""
    draft = Draft(data.scene, data.texts, data.facts)
    async with reading(staff.shop_id) as tx:
        return DraftChecked(await service.check(tx, draft), service.content_hash(draft))


async def _violations(staff: StaffIdentity) -> ViolationsView:
    async with reading(staff.shop_id) as tx:
        return ViolationsView(
            await service.get_standing(tx),
            await service.list_violations(tx),
            await service.list_overrides(tx),
        )


@get("/violations", access=staff("shop.read"))
async def list_violations(staff: StaffIdentity) -> ViolationsView:
    """What is held against the shop, its points, and what was let pass."""
    return await _violations(staff)


@post("/violations", access=staff("shop.write"), status_code=201)
async def note_violation(data: ViolationBody, staff: StaffIdentity) -> ViolationsView:
    """Note a violation; near the limit, risky features pause by the shop's policy."""
    async with transaction(staff.shop_id) as tx:
        await service.note_violation(
            tx,
            staff,
            happened_at=data.happened_at,
            source=data.source,
            rule_id=data.rule_id,
            points=data.points,
            what=data.what.strip(),
        )
    return await _violations(staff)


@post("/violations/{violation_id:uuid}/state", access=staff("shop.write"), status_code=200)
async def move_violation(
    violation_id: UUID, data: MoveBody, staff: StaffIdentity
) -> ViolationsView:
    """Note an appeal, or how it ended."""
    async with transaction(staff.shop_id) as tx:
        await service.move_violation(tx, staff, violation_id, data.state, data.note.strip())
    return await _violations(staff)


@put("/violation-policy", access=staff("shop.write"))
async def save_policy(data: Policy, staff: StaffIdentity) -> ViolationsView:
    """Say at how many points the shop is warned, and what pauses."""
    async with transaction(staff.shop_id) as tx:
        await service.save_policy(tx, staff, data)
    return await _violations(staff)


routes = [
    show_rulebook,
    check_draft,
    list_violations,
    note_violation,
    move_violation,
    save_policy,
]
