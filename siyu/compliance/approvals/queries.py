"""All SQL of approvals."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.compliance.approvals.contracts import CaseKind, CaseState, Path, Signoff
from siyu.kernel.db import ReadTx, Tx

_CASE = """c.case_id, c.kind, c.path, c.title, c.content, c.content_hash, c.state, c.opened_at,
  c.decided_at, coalesce((select jsonb_agg(to_jsonb(s) - 'shop_id' - 'case_id' order by s.signed_at)
    from approvals.signoffs s where s.shop_id = c.shop_id and s.case_id = c.case_id), '[]')
  as signoffs"""


class CaseRow(msgspec.Struct, frozen=True):
    """A case with its signatures, oldest first."""

    case_id: UUID
    kind: CaseKind
    path: Path
    title: str
    content: dict[str, Any]
    content_hash: str
    state: CaseState
    opened_at: datetime
    decided_at: datetime | None
    signoffs: list[Signoff]


async def insert_case(
    tx: Tx,
    *,
    case_id: UUID,
    kind: CaseKind,
    path: Path,
    title: str,
    content: dict[str, Any],
    content_hash: str,
    at: datetime,
) -> None:
    """Keep a case."""
    await tx.run(
        """insert into approvals.cases (shop_id, case_id, kind, path, title, content, content_hash,
             opened_at) values ($1, $2, $3, $4, $5, $6, $7, $8)""",
        *(tx.shop_id, case_id, kind, path, title, content, content_hash, at),
    )


async def lock_case(tx: Tx, case_id: UUID) -> CaseRow | None:
    """A case, held: two may not sign at the same moment."""
    return await tx.maybe(
        CaseRow,
        f"""select {_CASE} from approvals.cases c
            where c.shop_id = $1 and c.case_id = $2 for no key update""",
        *(tx.shop_id, case_id),
    )


async def get_case(tx: ReadTx, case_id: UUID) -> CaseRow | None:
    """A case."""
    return await tx.maybe(
        CaseRow,
        f"select {_CASE} from approvals.cases c where c.shop_id = $1 and c.case_id = $2",
        *(tx.shop_id, case_id),
    )


async def list_cases(
    tx: ReadTx, state: str | None, before: UUID | None, limit: int
) -> list[CaseRow]:
    """Newest first."""
    return await tx.all(
        CaseRow,
        f"""select {_CASE} from approvals.cases c
            where c.shop_id = $1 and ($2::text is null or c.state = $2)
              and ($3::uuid is null or c.case_id < $3) order by c.case_id desc limit $4""",
        *(tx.shop_id, state, before, limit),
    )


async def insert_signoff(tx: Tx, case_id: UUID, one: Signoff) -> None:
    """Keep a signature."""
    await tx.run(
        """insert into approvals.signoffs (shop_id, case_id, step, approved, content_hash,
             signed_by, signed_by_name, signed_at, note)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        *(tx.shop_id, case_id, one.step, one.approved, one.content_hash, one.signed_by),
        *(one.signed_by_name, one.signed_at, one.note),
    )


async def decide_case(tx: Tx, case_id: UUID, state: CaseState, at: datetime) -> None:
    """End a case."""
    await tx.run(
        """update approvals.cases set state = $3, decided_at = $4
           where shop_id = $1 and case_id = $2""",
        *(tx.shop_id, case_id, state, at),
    )


async def lock_export(
    tx: Tx, author: str, known: dict[str, Any], rows: int, since: datetime
) -> CaseRow | None:
    """The newest case by which this person may export this, or waits to: signed since then for as
    many rows (a tenth more is no news) and not used yet, or still open. Held."""
    return await tx.maybe(
        CaseRow,
        f"""select {_CASE} from approvals.cases c
            where c.shop_id = $1 and c.kind = 'export' and c.content @> $2::jsonb
              and c.content -> 'asked' = $2::jsonb -> 'asked'
              and (c.content ->> 'rows')::bigint * 11 >= $3::bigint * 10 and c.used_at is null
              and (c.state = 'open' or (c.state = 'approved' and c.decided_at > $4))
              and exists (select from approvals.signoffs s where s.shop_id = c.shop_id
                and s.case_id = c.case_id and s.step = 'author' and s.signed_by = $5)
            order by c.state, c.case_id desc limit 1 for no key update of c""",
        *(tx.shop_id, known, rows, since, author),
    )


async def get_export_limit(tx: ReadTx) -> int | None:
    """What the shop has set."""
    found: int | None = await tx.value(
        "select export_alone_max from approvals.settings where shop_id = $1", tx.shop_id
    )
    return found


async def upsert_export_limit(tx: Tx, rows: int, at: datetime) -> None:
    """Set it."""
    await tx.run(
        """insert into approvals.settings (shop_id, export_alone_max, changed_at)
           values ($1, $2, $3) on conflict (shop_id) do update
             set export_alone_max = excluded.export_alone_max, changed_at = excluded.changed_at""",
        *(tx.shop_id, rows, at),
    )


async def use_case(tx: Tx, case_id: UUID, at: datetime) -> None:
    """What a case allowed was done; it counts once."""
    await tx.run(
        "update approvals.cases set used_at = $3 where shop_id = $1 and case_id = $2",
        *(tx.shop_id, case_id, at),
    )


async def is_signed(tx: ReadTx, kind: CaseKind, content_hash: str) -> bool:
    """Whether this exact content has passed."""
    return bool(
        await tx.value(
            """select exists (select from approvals.cases
               where shop_id = $1 and kind = $2 and content_hash = $3 and state = 'approved')""",
            *(tx.shop_id, kind, content_hash),
        )
    )
