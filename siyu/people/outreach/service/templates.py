"""Templates: written, checked, signed, put in force."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import Case, CaseDecided, CaseKind, CaseState
from siyu.compliance.rulebook import service as rulebook
from siyu.compliance.rulebook.contracts import Draft, Finding, Scene
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.merchant.shops import service as shops
from siyu.people.outreach import queries
from siyu.people.outreach.contracts import (
    BadTemplate,
    Form,
    KeyTaken,
    Rendered,
    TemplateDraft,
    TemplateNotFound,
)
from siyu.people.outreach.contracts import (
    MessageTemplate as Template,
)
from siyu.people.outreach.queries import TemplateRow
from siyu.people.outreach.rules import brought, library, templates
from siyu.wechat.mini_program import service as mini_program

OWN = "siyu"
"""Who wrote the templates that come with the program."""


def _shown(row: TemplateRow) -> Template:
    is_waiting = row.case_id is not None and row.version > (row.in_force or 0)
    return Template(
        row.template_id, row.key, row.name, row.topic, row.version, row.in_force,
        row.case_id if is_waiting else None, row.forms, row.variables, row.made_by, row.made_at,
    )  # fmt: skip


async def ensure_brought(tx: Tx) -> None:
    """Make the templates that come with the program, once per shop."""
    now = clock.now()
    for key, draft in brought.BROUGHT.items():
        if await queries.get_by_key(tx, key) is None:
            template_id = new_id()
            if await queries.insert_template(tx, template_id, key, draft.name, draft.topic, 1, now):
                await queries.insert_version(
                    tx, template_id, 1, draft.forms, draft.variables, OWN, now
                )


async def list_templates(tx: ReadTx) -> list[Template]:
    """All templates in use, each with its newest version."""
    return [_shown(row) for row in await queries.list_templates(tx)]


async def list_library(tx: ReadTx) -> list[TemplateDraft]:
    """Words to begin with, under the shop's name; `outside_id` is left for the merchant."""
    return library.named(library.LIBRARY, (await shops.get_shop(tx)).name)


async def get_template(tx: ReadTx, template_id: UUID) -> Template:
    """A template with its newest version. Raises TemplateNotFound."""
    row = await queries.get_template(tx, template_id)
    if row is None:
        raise TemplateNotFound
    return _shown(row)


async def get_in_force(tx: Tx, key: str) -> TemplateRow:
    """The version that is sent. Raises TemplateNotFound."""
    row = await queries.get_by_key(tx, key)
    if row is None and key in brought.BROUGHT:
        await ensure_brought(tx)
        row = await queries.get_by_key(tx, key)
    if row is None:
        raise TemplateNotFound
    return row


async def check_draft(tx: ReadTx, draft: TemplateDraft) -> list[Finding]:
    """Whether a template can be sent, and what the rulebook has to say. Raises BadTemplate."""
    templates.check(draft.topic, draft.forms, draft.variables)
    zone = await shops.get_time_zone(tx)
    samples = {one.name: one.sample for one in draft.variables}
    templates.check_values(draft.variables, samples, zone)
    for form in draft.forms:
        check_limits(templates.render(form, draft.variables, samples, zone))
    return await rulebook.check(tx, draft_of(draft.forms, samples))


def check_limits(rendered: Rendered) -> None:
    """Whether the platform takes these words (subscription messages §3). Raises BadTemplate."""
    for field, reason in sorted(mini_program.check_values(rendered.fields).items()):
        raise BadTemplate(what=f"{rendered.channel}.{field}", reason=reason)
    if place := templates.limits_broken(rendered):
        raise BadTemplate(what=f"{rendered.channel}.{place}", reason="long")


def draft_of(forms: list[Form], values: Mapping[str, str]) -> Draft:
    """The words as the rulebook reads them, with values in."""
    texts = {}
    for form in forms:
        for place, words in templates.words_of(form).items():
            if words and place != "page":
                texts[f"{form.channel}.{place}"] = templates.HOLE.sub(
                    lambda hole: values.get(hole[1], ""), words
                )
    return Draft(Scene.MESSAGE, texts)


async def save_template(
    tx: Tx, actor: Actor, draft: TemplateDraft, template_id: UUID | None = None
) -> Template:
    """Write a template, or another version of one; it is sent once it is signed.

    Raises BadTemplate, RuleBroken, KeyTaken, TemplateNotFound.
    """
    await check_draft(tx, draft)
    samples = {one.name: one.sample for one in draft.variables}
    await rulebook.must_pass(tx, draft_of(draft.forms, samples))
    now, version = clock.now(), 1
    if template_id is None:
        template_id = new_id()
        if not await queries.insert_template(
            tx, template_id, draft.key, draft.name, draft.topic, None, now
        ):
            raise KeyTaken(key=draft.key)
    else:
        if not await queries.lock_template(tx, template_id):
            raise TemplateNotFound
        before = await get_template(tx, template_id)
        if (draft.key, draft.topic) != (before.key, before.topic):
            raise BadTemplate(what="key", reason="fixed")
        version = before.version + 1
        await queries.move_newest(tx, template_id, draft.name, draft.topic, version)
    await queries.insert_version(
        tx, template_id, version, draft.forms, draft.variables, actor.actor_name, now
    )
    audit(
        tx,
        actor,
        "outreach.template_saved",
        ("message_template", template_id),
        after={"key": draft.key, "version": version},
    )
    return await get_template(tx, template_id)


def content_of(row: Template | TemplateRow) -> dict[str, Any]:
    """What is signed: all that people read, and nothing else."""
    content: dict[str, Any] = msgspec.to_builtins(
        {"key": row.key, "topic": row.topic, "forms": row.forms, "variables": row.variables}
    )
    return content


async def ask_approval(tx: Tx, actor: Actor, template_id: UUID, note: str = "") -> Case:
    """Ask for signatures under the newest version. Raises TemplateNotFound, RuleBroken."""
    template = await get_template(tx, template_id)
    samples = {one.name: one.sample for one in template.variables}
    await rulebook.must_pass(tx, draft_of(template.forms, samples))
    case = await approvals.open_case(
        tx,
        actor,
        CaseKind.TEMPLATE,
        title=template.name,
        content=content_of(template),
        note=note,
    )
    await queries.set_case(tx, template_id, template.version, case.case_id)
    return case


async def take_decision(tx: Tx, event: CaseDecided) -> None:
    """Signatures are complete: the version is sent from now on."""
    if event.kind == CaseKind.TEMPLATE and event.state == CaseState.APPROVED:
        await queries.put_in_force(tx, event.case_id)


async def must_be_sendable(
    tx: Tx, row: TemplateRow, values: Mapping[str, str], *, is_signed: bool = False
) -> None:
    """Asked at the start and again at each chunk. Raises NotSigned, RuleBroken.

    is_signed: nobody asks for signatures (a test). Words that came with the program need none.
    """
    is_own = row.case_id is None and row.made_by == OWN and row.version == row.in_force == 1
    if not (is_signed or is_own):
        await approvals.must_be_signed(tx, CaseKind.TEMPLATE, content_of(row))
    await rulebook.must_pass(tx, draft_of(row.forms, values))


async def retire_template(tx: Tx, actor: Actor, template_id: UUID) -> None:
    """Take a template out of use; what was sent stays readable. Raises TemplateNotFound."""
    if not await queries.retire_template(tx, template_id, clock.now()):
        raise TemplateNotFound
    audit(tx, actor, "outreach.template_retired", ("message_template", template_id))


async def preview(tx: ReadTx, draft: TemplateDraft, variables: Mapping[str, str]) -> list[Rendered]:
    """How a draft reads with these values, the samples where one is missing."""
    zone = await shops.get_time_zone(tx)
    values = {one.name: variables.get(one.name, one.sample) for one in draft.variables}
    return [templates.render(form, draft.variables, values, zone) for form in draft.forms]
