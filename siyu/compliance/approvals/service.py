"""Verbs of approvals."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.compliance.approvals import queries, rules
from siyu.compliance.approvals.contracts import (
    Case,
    CaseDecided,
    CaseKind,
    CaseNotFound,
    CaseOpened,
    CaseState,
    ExportLimit,
    NotSigned,
    NotYourStep,
    OtherPersonNeeded,
    Path,
    Signoff,
    Step,
)
from siyu.compliance.rulebook import service as rulebook
from siyu.compliance.rulebook.contracts import Draft, RuleBroken, Verdict
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.i18n import Language
from siyu.kernel.ids import new_id
from siyu.merchant.staff import service as staff

SIGNING = "compliance.sign"
"""The permission of whoever signs last."""


def _case(row: queries.CaseRow) -> Case:
    step = rules.next_step(row.path, row.signoffs) if row.state is CaseState.OPEN else None
    return Case(**msgspec.structs.asdict(row), next_step=step)


async def get_case(tx: ReadTx, case_id: UUID) -> Case:
    """A case with its signatures. Raises CaseNotFound."""
    row = await queries.get_case(tx, case_id)
    if row is None:
        raise CaseNotFound
    return _case(row)


async def list_cases(
    tx: ReadTx, state: CaseState | None, before: UUID | None, limit: int
) -> list[Case]:
    """Cases of the shop, newest first."""
    return [_case(row) for row in await queries.list_cases(tx, state, before, limit)]


async def open_case(
    tx: Tx,
    actor: Actor,
    kind: CaseKind,
    *,
    title: str,
    content: dict[str, Any],
    path: Path = Path.NORMAL,
    note: str = "",
) -> Case:
    """Ask for the signatures under a content; who asks signs as its author."""
    case_id = new_id()
    await queries.insert_case(
        tx,
        case_id=case_id,
        kind=kind,
        path=path,
        title=title,
        content=content,
        content_hash=rules.hash_of(content),
        at=clock.now(),
    )
    emit(tx, CaseOpened(case_id=case_id, kind=kind))
    return await sign(tx, actor, case_id, Step.AUTHOR, True, rules.hash_of(content), note)


async def ask_override(tx: Tx, actor: Actor, draft: Draft, rule_id: str, reason: str) -> Case:
    """Ask that a draft may go out although it breaks a rule.

    Raises RuleBroken when the draft does not break that rule: there is nothing to sign.
    """
    broken = [one for one in await rulebook.check(tx, draft) if one.rule_id == rule_id]
    if not broken:
        raise RuleBroken(message=rule_id, rules=[], excerpts=[])
    is_grave = rule_id in rules.STRICT_RULES or broken[0].verdict is Verdict.BLOCK
    return await open_case(
        tx,
        actor,
        CaseKind.OVERRIDE,
        title=broken[0].message.zh[:100],
        content={
            "rule_id": rule_id,
            "content_hash": rulebook.content_hash(draft),
            "draft": msgspec.to_builtins(draft),
            "reason": reason,
        },
        path=Path.STRICT if is_grave else Path.NORMAL,
        note=reason,
    )


async def sign(
    tx: Tx, actor: Actor, case_id: UUID, step: Step, approved: bool, content_hash: str, note: str
) -> Case:
    """Sign the waiting step of a case, over the content as it was read.

    The last signature grants an override. Raises CaseNotFound, NotYourStep, OtherPersonNeeded.
    """
    row = await queries.lock_case(tx, case_id)
    if row is None:
        raise CaseNotFound
    if _case(row).next_step is not step or content_hash != row.content_hash:
        raise NotYourStep
    if approved and not rules.may_sign(row.path, row.signoffs, actor.actor):
        raise OtherPersonNeeded
    now = clock.now()
    one = Signoff(step, approved, content_hash, actor.actor, actor.actor_name, now, note)
    await queries.insert_signoff(tx, case_id, one)
    audit(
        tx,
        actor,
        "approvals.signed",
        ("approval", case_id),
        after={"step": step, "approved": approved, "content_hash": content_hash},
    )
    if not approved or step is rules.STEPS[row.path][-1]:
        state = CaseState.APPROVED if approved else CaseState.REFUSED
        await queries.decide_case(tx, case_id, state, now)
        emit(tx, CaseDecided(case_id=case_id, kind=row.kind, state=state))
        if state is CaseState.APPROVED and row.kind is CaseKind.OVERRIDE:
            await rulebook.grant_override(
                tx,
                rule_id=row.content["rule_id"],
                content=row.content["content_hash"],
                reason=row.content["reason"],
                asked_by=row.signoffs[0].signed_by,
                granted_by=actor,
            )
    return await get_case(tx, case_id)


async def has_second(tx: ReadTx) -> bool:
    """Whether the shop has anybody beside one person who could sign; an owner alone with their
    shop answers alone."""
    return await staff.count_who_may(tx, SIGNING) > 1


async def get_export_limit(tx: ReadTx) -> ExportLimit:
    """Up to how many rows about people one person may export."""
    rows = await queries.get_export_limit(tx)
    return ExportLimit(rules.EXPORT_ALONE_MAX if rows is None else rows)


async def set_export_limit(tx: Tx, actor: Actor, limit: ExportLimit) -> ExportLimit:
    """Change it, from the next export on; for those who may sign. What is signed already stands."""
    before = await get_export_limit(tx)
    await queries.upsert_export_limit(tx, limit.rows, clock.now())
    audit(
        tx,
        actor,
        "approvals.export_limit_set",
        ("shop", tx.shop_id),
        before={"rows": before.rows},
        after={"rows": limit.rows},
    )
    return limit


async def ask_export(
    tx: Tx, actor: Actor, *, what: str, asked: dict[str, Any], rows: int, reason: str
) -> Case | None:
    """Whether rows about people may leave the shop as a file (F084); audited either way.

    None: they may, now and once. A case: too many for one person; commit, and tell them by
    SecondApproverNeeded. The same person asking for the same (what, asked) within a day of the
    second signature gets None. An owner with whom nobody else could sign answers alone.
    """
    told = {"what": what, "rows": rows, "reason": reason}
    if rows <= (await get_export_limit(tx)).rows or not await has_second(tx):
        audit(tx, actor, "approvals.exported", ("shop", tx.shop_id), after=told)
        return None
    known = {"what": what, "asked": msgspec.to_builtins(asked)}
    found = await queries.lock_export(
        tx, actor.actor, known, rows, clock.now() - rules.EXPORT_SIGNED_FOR
    )
    if found is None:
        return await open_case(
            tx,
            actor,
            CaseKind.EXPORT,
            title=f"{what} · {rows}",
            content={**known, "rows": rows, "reason": reason},
            path=Path.SECOND,
            note=reason,
        )
    if found.state is CaseState.OPEN:
        return _case(found)
    await queries.use_case(tx, found.case_id, clock.now())
    after = {**told, "case_id": str(found.case_id)}
    audit(tx, actor, "approvals.exported", ("shop", tx.shop_id), after=after)
    return None


def watermark(actor: Actor, at: datetime, language: Language = "zh-CN") -> str:
    """The last line of an exported table, which says who took it out and when (F084)."""
    said = "内部资料，禁止外传" if language == "zh-CN" else "Internal, do not pass on"
    return f"{said} · {actor.actor_name} · {at:%Y-%m-%d %H:%M} UTC"


async def must_be_signed(tx: ReadTx, kind: CaseKind, content: dict[str, Any]) -> None:
    """Stop what has no complete chain for exactly this content. Raises NotSigned."""
    if not await queries.is_signed(tx, kind, rules.hash_of(content)):
        raise NotSigned
