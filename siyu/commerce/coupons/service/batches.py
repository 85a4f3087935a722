"""Batches as staff make, change and end them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from siyu.commerce.coupons import queries, rules
from siyu.commerce.coupons.contracts import (
    Batch,
    BatchChanged,
    BatchId,
    BatchNotFound,
    BatchState,
    Draft,
)
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id


async def get_batch(tx: ReadTx, batch_id: UUID) -> Batch:
    """A batch; raises BatchNotFound."""
    return _found(await queries.get_batch(tx, batch_id))


async def create_batch(tx: Tx, actor: Actor, draft: Draft) -> Batch:
    """Make a batch; it gives nothing before it runs. Raises BadTerms, CodeTaken."""
    draft = _normal(draft)
    rules.check_draft(draft)
    batch = await queries.insert_batch(tx, BatchId(new_id()), draft)
    audit(tx, actor, "coupons.batch_created", _subject(batch), after=_trail(batch))
    return batch


async def edit_batch(
    tx: Tx, actor: Actor, batch_id: UUID, draft: Draft, expected_version: int
) -> Batch:
    """Change a batch: all of a draft; of one that has run name, note and limits.

    Raises BatchNotFound, BatchChanged, BadTerms, TermsFixed, BatchMoveRefused (it has ended),
    CodeTaken.
    """
    before = _found(await queries.lock_batch(tx, batch_id))
    if before.version != expected_version:
        raise BatchChanged(version=before.version)
    draft = _normal(draft)
    rules.check_edit(before, draft)
    rules.check_draft(draft)
    batch = await queries.move_batch(tx, batch_id, draft)
    audit(
        tx, actor, "coupons.batch_changed", _subject(batch), before=_trail(before),
        after=_trail(batch),
    )  # fmt: skip
    return batch


async def move_batch(tx: Tx, actor: Actor, batch_id: UUID, to: BatchState) -> Batch:
    """Start, pause or end a batch; coupons already given stay good. Raises BatchNotFound,
    BatchMoveRefused."""
    before = _found(await queries.lock_batch(tx, batch_id))
    rules.check_move(before, to)
    batch = await queries.move_batch_state(tx, batch_id, to)
    audit(
        tx, actor, "coupons.batch_moved", _subject(batch), before={"state": before.state},
        after={"state": to},
    )  # fmt: skip
    return batch


async def void_claims(
    tx: Tx, actor: Actor, batch_id: UUID, claim_ids: Sequence[UUID], reason: str
) -> list[UUID]:
    """Take coupons away from members, those that are in no order; which these were. Audited.
    Raises BatchNotFound."""
    batch = _found(await queries.get_batch(tx, batch_id))
    gone = await queries.move_void(tx, batch_id, claim_ids, reason)
    audit(
        tx, actor, "coupons.voided", _subject(batch), after={"claims": len(gone), "reason": reason}
    )
    return gone


def _normal(draft: Draft) -> Draft:
    terms = draft.terms
    if terms.code is not None:
        terms = msgspec.structs.replace(terms, code=rules.normal_code(terms.code))
    return msgspec.structs.replace(
        draft, name=draft.name.strip(), note=draft.note.strip(), terms=terms
    )


def _subject(batch: Batch) -> tuple[str, UUID]:
    return "coupon_batch", batch.batch_id


def _trail(batch: Batch) -> dict[str, Any]:
    return {field: getattr(batch, field) for field in ("name", "state", *_LIMITS)}


_LIMITS = ("gives", "total_count", "per_member", "budget_fen", "ends_at")


def _found(batch: Batch | None) -> Batch:
    if batch is None:
        raise BatchNotFound
    return batch
