"""All SQL of after-sale but that on pictures (`service/pictures.py`)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from siyu.commerce.after_sale.contracts import (
    Case,
    CaseLine,
    CaseSide,
    Kind,
    State,
    Terms,
    TimelineEntry,
)
from siyu.kernel.db import ReadTx, Tx, filters
from siyu.kernel.ids import new_id
from siyu.kernel.pool import BETWEEN

_CASE = """case_id, case_no, order_id, order_no, member_id, person_no, kind, state, reason,
  freight_by, is_unshipped, cap_fen, shipping_cap_fen, asked_fen, amount_fen, refund_id, restock,
  opened_at, due_at, reminded_at, closed_at, return_carrier, return_tracking_no, exchange_carrier,
  exchange_tracking_no, return_address_sealed, trouble"""
_LINE = """line_no, sku_id, product_id, title, option_values, image_url, quantity, cap_fen,
  exchange_sku_id"""


# --- terms ------------------------------------------------------------------------------------


# A picture goes where the text it belongs to has gone; $3 is who would get it (members.follow).
OF_ANOTHERS_CASE = """exists (select from after_sale.cases o
  where o.shop_id = pictures.shop_id and o.case_id = pictures.case_id and o.member_id <> $3)"""


class TermsRow(msgspec.Struct, frozen=True):
    """The terms as they are kept: the return address sealed."""

    answer_hours: int
    ship_back_days: int
    inspect_days: int
    confirm_days: int
    no_reason_days: int
    quality_days: int
    not_returnable: list[UUID]
    return_address_sealed: bytes | None


async def get_terms(tx: ReadTx) -> TermsRow | None:
    """The shop's own terms; None while it keeps the defaults."""
    return await tx.maybe(
        TermsRow,
        """select answer_hours, ship_back_days, inspect_days, confirm_days, no_reason_days,
             quality_days, not_returnable, return_address_sealed
           from after_sale.terms where shop_id = $1""",
        tx.shop_id,
    )


async def set_terms(tx: Tx, terms: Terms, address_sealed: bytes | None) -> None:
    """Replace the shop's terms."""
    await tx.run(
        """insert into after_sale.terms as t (shop_id, answer_hours, ship_back_days, inspect_days,
             confirm_days, no_reason_days, quality_days, not_returnable, return_address_sealed)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           on conflict (shop_id) do update set answer_hours = excluded.answer_hours,
             ship_back_days = excluded.ship_back_days, inspect_days = excluded.inspect_days,
             confirm_days = excluded.confirm_days, no_reason_days = excluded.no_reason_days,
             quality_days = excluded.quality_days, not_returnable = excluded.not_returnable,
             return_address_sealed = excluded.return_address_sealed""",
        tx.shop_id,
        terms.answer_hours,
        terms.ship_back_days,
        terms.inspect_days,
        terms.confirm_days,
        terms.no_reason_days,
        terms.quality_days,
        terms.not_returnable,
        address_sealed,
    )


# --- claims -----------------------------------------------------------------------------------


class BoughtLine(msgspec.Struct, frozen=True):
    """A line as it was bought, to begin counting claims by."""

    line_no: int
    quantity: int
    total_fen: int


class LeftLine(msgspec.Struct, frozen=True):
    """What of a line no case has claimed."""

    line_no: int
    quantity: int
    amount_fen: int


class LeftOrder(msgspec.Struct, frozen=True):
    """How many cases an order has had, and what of its shipping no case has claimed."""

    cases: int
    shipping_fen: int


async def lock_claims(
    tx: Tx, order_id: UUID, shipping_fen: int, lines: Sequence[BoughtLine]
) -> None:
    """Let requests for one order queue; the first one writes down what was bought."""
    await tx.run(
        """with first as (
             insert into after_sale.orders as o (shop_id, order_id, shipping_fen)
             values ($1, $2, $3)
             on conflict (shop_id, order_id) do update set cases = o.cases)
           insert into after_sale.order_lines (shop_id, order_id, line_no, quantity, total_fen)
           select $1, $2, * from unnest($4::smallint[], $5::int[], $6::bigint[])
           on conflict do nothing""",
        tx.shop_id,
        order_id,
        shipping_fen,
        [line.line_no for line in lines],
        [line.quantity for line in lines],
        [line.total_fen for line in lines],
    )


async def get_left_order(tx: ReadTx, order_id: UUID) -> LeftOrder | None:
    """None while the order never had a case: all of it is left."""
    return await tx.maybe(
        LeftOrder,
        """select cases, shipping_fen - claimed_shipping_fen as shipping_fen
           from after_sale.orders where shop_id = $1 and order_id = $2""",
        tx.shop_id,
        order_id,
    )


async def list_left(tx: ReadTx, order_id: UUID) -> list[LeftLine]:
    """What of each line no case has claimed; empty while the order never had a case."""
    return await tx.all(
        LeftLine,
        """select line_no, quantity - claimed as quantity, total_fen - claimed_fen as amount_fen
           from after_sale.order_lines where shop_id = $1 and order_id = $2 order by line_no""",
        tx.shop_id,
        order_id,
    )


_CLAIM = """
with counted as (
  update after_sale.orders
  set cases = cases + $3, claimed_shipping_fen = claimed_shipping_fen + $4
  where shop_id = $1 and order_id = $2)
update after_sale.order_lines l
set claimed = claimed + c.quantity, claimed_fen = claimed_fen + c.cap_fen
from unnest($5::smallint[], $6::int[], $7::bigint[]) as c (line_no, quantity, cap_fen)
where l.shop_id = $1 and l.order_id = $2 and l.line_no = c.line_no
"""


async def move_claims(tx: Tx, case: Case, lines: Sequence[CaseLine], sign: int) -> None:
    """Claim what a case is about (sign 1, counting the case), or give it free again (-1).

    The table's constraints refuse what was claimed before; the caller holds `lock_claims`.
    """
    await tx.run(
        _CLAIM,
        tx.shop_id,
        case.order_id,
        max(sign, 0),
        sign * case.shipping_cap_fen,
        [line.line_no for line in lines],
        [sign * line.quantity for line in lines],
        [sign * line.cap_fen for line in lines],
    )


async def lock_order(tx: Tx, order_id: UUID) -> None:
    """Queue for an order that has a case."""
    await tx.run(
        """select from after_sale.orders where shop_id = $1 and order_id = $2
           for no key update""",
        tx.shop_id,
        order_id,
    )


# --- cases ------------------------------------------------------------------------------------


async def insert_case(tx: Tx, case: Case, lines: Sequence[CaseLine], entry: TimelineEntry) -> None:
    """A case with its lines and the first line of its timeline."""
    await tx.run(
        """with opened as (
             insert into after_sale.cases (shop_id, case_id, case_no, order_id, order_no, member_id,
               person_no, kind, state, reason, freight_by, is_unshipped, cap_fen, shipping_cap_fen,
               asked_fen, amount_fen, refund_id, opened_at, due_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
               $18, $19)),
           noted as (
             insert into after_sale.timeline (shop_id, case_id, entry_id, at, event, side, actor,
               text)
             values ($1, $2, $20, $18, $21, $22, $23, $24))
           insert into after_sale.case_lines (shop_id, case_id, line_no, sku_id, product_id, title,
             option_values, image_url, quantity, cap_fen, exchange_sku_id)
           select $1, $2, l.no, l.sku, l.product, l.title, string_to_array(l.options, e'\\x1f'),
             l.image, l.quantity, l.cap, l.exchange
           from unnest($25::smallint[], $26::uuid[], $27::uuid[], $28::text[], $29::text[],
             $30::text[], $31::int[], $32::bigint[], $33::uuid[])
             as l (no, sku, product, title, options, image, quantity, cap, exchange)""",
        tx.shop_id,
        case.case_id,
        case.case_no,
        case.order_id,
        case.order_no,
        case.member_id,
        case.person_no,
        case.kind,
        case.state,
        case.reason,
        case.freight_by,
        case.is_unshipped,
        case.cap_fen,
        case.shipping_cap_fen,
        case.asked_fen,
        case.amount_fen,
        case.refund_id,
        case.opened_at,
        case.due_at,
        entry.entry_id,
        entry.event,
        entry.side,
        entry.actor,
        entry.text,
        [line.line_no for line in lines],
        [line.sku_id for line in lines],
        [line.product_id for line in lines],
        [line.title for line in lines],
        [BETWEEN.join(line.option_values) for line in lines],
        [line.image_url for line in lines],
        [line.quantity for line in lines],
        [line.cap_fen for line in lines],
        [line.exchange_sku_id for line in lines],
    )


async def get_case(tx: ReadTx, case_id: UUID) -> Case | None:
    """A case."""
    sql = f"select {_CASE} from after_sale.cases where shop_id = $1 and case_id = $2"
    return await tx.maybe(Case, sql, tx.shop_id, case_id)


async def lock_case(tx: Tx, case_id: UUID) -> Case | None:
    """A case, held until the end of the transaction."""
    sql = f"""select {_CASE} from after_sale.cases where shop_id = $1 and case_id = $2
              for no key update"""
    return await tx.maybe(Case, sql, tx.shop_id, case_id)


async def lock_case_of_refund(tx: Tx, refund_id: UUID) -> Case | None:
    """The case that asked for a refund, held until the end of the transaction."""
    sql = f"""select {_CASE} from after_sale.cases where shop_id = $1 and refund_id = $2
              for no key update"""
    return await tx.maybe(Case, sql, tx.shop_id, refund_id)


async def move_case(tx: Tx, case: Case, entry: TimelineEntry) -> None:
    """Write all of a locked case that may change, with the line in its timeline that says why."""
    await tx.run(
        """with noted as (
             insert into after_sale.timeline (shop_id, case_id, entry_id, at, event, side, actor,
               text)
             values ($1, $2, $15, $16, $17, $18, $19, $20))
           update after_sale.cases set state = $3, is_unshipped = $4, amount_fen = $5, restock = $6,
             due_at = $7, reminded_at = $8, closed_at = $9, return_carrier = $10,
             return_tracking_no = $11, exchange_carrier = $12, exchange_tracking_no = $13,
             return_address_sealed = $14, trouble = $21, refund_id = $22
           where shop_id = $1 and case_id = $2""",
        tx.shop_id,
        case.case_id,
        case.state,
        case.is_unshipped,
        case.amount_fen,
        case.restock,
        case.due_at,
        case.reminded_at,
        case.closed_at,
        case.return_carrier,
        case.return_tracking_no,
        case.exchange_carrier,
        case.exchange_tracking_no,
        case.return_address_sealed,
        entry.entry_id,
        entry.at,
        entry.event,
        entry.side,
        entry.actor,
        entry.text,
        case.trouble,
        case.refund_id,
    )


async def move_due(tx: Tx, case_id: UUID, due_at: datetime) -> None:
    """Let time decide later, if it still has to."""
    await tx.run(
        """update after_sale.cases set due_at = $3
           where shop_id = $1 and case_id = $2 and due_at < $3""",
        tx.shop_id,
        case_id,
        due_at,
    )


class DueCase(msgspec.Struct, frozen=True):
    """A case of some shop about which time decides."""

    shop_id: int
    case_id: UUID


async def list_due(tx: Tx, now: datetime, limit: int) -> list[DueCase]:
    """Cases of all shops whose time is over, the longest waiting first."""
    return await tx.all(
        DueCase,
        """select shop_id, case_id from after_sale.cases
           where due_at <= $1 and reminded_at is null order by due_at limit $2""",
        now,
        limit,
    )


class _LineOfCase(CaseLine, frozen=True):
    case_id: UUID


async def list_lines(tx: ReadTx, case_ids: Sequence[UUID]) -> dict[UUID, list[CaseLine]]:
    """The lines of each of these cases, in their order."""
    rows = await tx.all(
        _LineOfCase,
        f"""select case_id, {_LINE} from after_sale.case_lines
            where shop_id = $1 and case_id = any ($2::uuid[]) order by case_id, line_no""",
        tx.shop_id,
        list(case_ids),
    )
    found: dict[UUID, list[CaseLine]] = {case_id: [] for case_id in case_ids}
    for row in rows:
        found[row.case_id].append(row)
    return found


async def list_timeline(tx: ReadTx, case_id: UUID, shows_notes: bool) -> list[TimelineEntry]:
    """The story of a case, oldest first."""
    return await tx.all(
        TimelineEntry,
        """select entry_id, at, event, side, actor, text from after_sale.timeline
           where shop_id = $1 and case_id = $2 and ($3 or event <> 'note') order by entry_id""",
        tx.shop_id,
        case_id,
        shows_notes,
    )


async def insert_entry(tx: Tx, case_id: UUID, entry: TimelineEntry) -> None:
    """A word that moves nothing."""
    await tx.run(
        """insert into after_sale.timeline
             (shop_id, case_id, entry_id, at, event, side, actor, text)
           values ($1, $2, $3, $4, $5, $6, $7, $8)""",
        tx.shop_id,
        case_id,
        entry.entry_id,
        entry.at,
        entry.event,
        entry.side,
        entry.actor,
        entry.text,
    )


def entry(event: str, side: CaseSide, actor: str, at: datetime, text: str = "") -> TimelineEntry:
    """A fresh line of a timeline."""
    return TimelineEntry(new_id(), at, event, side, actor, text)


# --- lists ------------------------------------------------------------------------------------


async def list_member_cases(
    tx: ReadTx, member_id: UUID, order_id: UUID | None, after: UUID | None, limit: int
) -> list[Case]:
    """A member's cases, newest first; of one order when it is named."""
    return await tx.all(
        Case,
        f"""select {_CASE} from after_sale.cases
            where shop_id = $1 and member_id = $2 and ($3::uuid is null or order_id = $3)
              and ($4::uuid is null or case_id < $4)
            order by case_id desc limit $5""",
        tx.shop_id,
        member_id,
        order_id,
        after,
        limit,
    )


class DeskFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk shows; None does not narrow."""

    state: State | None = None
    kind: Kind | None = None
    order_id: UUID | None = None
    overdue_at: datetime | None = None


async def list_cases(tx: ReadTx, wanted: DeskFilter, after: UUID | None, limit: int) -> list[Case]:
    """Cases of the shop, newest first."""
    args: list[Any] = [tx.shop_id]
    where = filters(
        args,
        ("state = ?", wanted.state),
        ("kind = ?", wanted.kind),
        ("order_id = ?", wanted.order_id),
        ("due_at <= ?", wanted.overdue_at),
        ("case_id < ?", after),
    )
    args.append(limit)
    return await tx.all(
        Case,
        f"""select {_CASE} from after_sale.cases where shop_id = $1 and {where}
            order by case_id desc limit ${len(args)}""",
        *args,
    )


class StateCount(msgspec.Struct, frozen=True):
    """How many cases stand in a state, how many of them are over their time or stuck."""

    state: State
    cases: Annotated[int, msgspec.Meta(ge=0)]
    overdue: Annotated[int, msgspec.Meta(ge=0)]
    troubled: Annotated[int, msgspec.Meta(ge=0)]


async def count_states(tx: ReadTx, now: datetime) -> list[StateCount]:
    """What lies on the desk: open cases by state; states without one are left out."""
    return await tx.all(
        StateCount,
        """select state, count(*) as cases, count(*) filter (where due_at <= $2) as overdue,
             count(trouble) as troubled
           from after_sale.cases where shop_id = $1 and closed_at is null group by state""",
        tx.shop_id,
        now,
    )
