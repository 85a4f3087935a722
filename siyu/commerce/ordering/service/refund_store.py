"""The SQL of refunds. What they take from an order, its lines and its tenders is guarded by
constraints of those tables, under the order's row lock.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.ordering.contracts import OrderRefund, RefundStatus
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id


class TendersLeft(msgspec.Struct, frozen=True):
    """What of an order's tenders has not been given back yet, and the points that have."""

    wechat_fen: int
    balance_fen: int
    points_back: int


async def get_tenders_left(tx: ReadTx, order_id: UUID) -> TendersLeft | None:
    """None for an order that is paid by WeChat alone."""
    return await tx.maybe(
        TendersLeft,
        """select wechat_fen - refunded_wechat_fen as wechat_fen,
             principal_fen + bonus_fen - refunded_balance_fen as balance_fen,
             refunded_points as points_back
           from ordering.tenders where shop_id = $1 and order_id = $2""",
        tx.shop_id,
        order_id,
    )


async def insert_refund(tx: Tx, refund: OrderRefund) -> None:
    """Note a refund and claim what it gives back, in one trip."""
    await tx.run(
        """with noted as (
             insert into ordering.refunds (shop_id, refund_id, order_id, status, amount_fen,
               shipping_fen, wechat_fen, balance_fen, points, reason, is_restocked, actor,
               started_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)),
           given as materialized (
             select * from unnest($14::smallint[], $15::int[], $16::bigint[])
             as g (line_no, quantity, amount_fen)),
           listed as (
             insert into ordering.refund_lines (shop_id, refund_id, line_no, quantity, amount_fen)
             select $1, $2, * from given),
           lines as (
             update ordering.order_lines l set refunded_quantity = refunded_quantity + g.quantity,
               refunded_fen = refunded_fen + g.amount_fen
             from given g where l.shop_id = $1 and l.order_id = $3 and l.line_no = g.line_no),
           tenders as (
             update ordering.tenders set refunded_wechat_fen = refunded_wechat_fen + $7,
               refunded_balance_fen = refunded_balance_fen + $8,
               refunded_points = refunded_points + $9
             where shop_id = $1 and order_id = $3),
           told as (
             insert into ordering.timeline (shop_id, order_id, entry_id, at, event, actor)
             values ($1, $3, $17, $13, 'refund_started', $12))
           update ordering.orders set refunded_fen = refunded_fen + $5,
             refunded_shipping_fen = refunded_shipping_fen + $6
           where shop_id = $1 and order_id = $3""",
        tx.shop_id,
        refund.refund_id,
        refund.order_id,
        refund.status,
        refund.amount_fen,
        refund.shipping_fen,
        refund.wechat_fen,
        refund.balance_fen,
        refund.points,
        refund.reason,
        refund.is_restocked,
        refund.actor,
        refund.started_at,
        [line.line_no for line in refund.lines],
        [line.quantity for line in refund.lines],
        [line.amount_fen for line in refund.lines],
        new_id(),
    )


async def undo_refund(tx: Tx, refund: OrderRefund) -> None:
    """Give up the claims of a refund that will never be paid. Pieces that came back stay back."""
    await tx.run(
        """with given as materialized (
             select line_no, case when $7 then 0 else quantity end as quantity, amount_fen
             from ordering.refund_lines where shop_id = $1 and refund_id = $2),
           lines as (
             update ordering.order_lines l set refunded_quantity = refunded_quantity - g.quantity,
               refunded_fen = refunded_fen - g.amount_fen
             from given g where l.shop_id = $1 and l.order_id = $3 and l.line_no = g.line_no),
           tenders as (
             update ordering.tenders set refunded_wechat_fen = refunded_wechat_fen - $4,
               refunded_balance_fen = refunded_balance_fen - $5,
               refunded_points = refunded_points - $6
             where shop_id = $1 and order_id = $3)
           update ordering.orders set refunded_fen = refunded_fen - $4 - $5,
             refunded_shipping_fen = refunded_shipping_fen - $8
           where shop_id = $1 and order_id = $3""",
        tx.shop_id,
        refund.refund_id,
        refund.order_id,
        refund.wechat_fen,
        refund.balance_fen,
        refund.points,
        refund.is_restocked,
        refund.shipping_fen,
    )


async def move_refund(tx: Tx, refund_id: UUID, status: RefundStatus, at: datetime) -> None:
    """Change where a refund stands."""
    await tx.run(
        """update ordering.refunds set status = $3,
             finished_at = case when $3 = 'refunded' then $4::timestamptz end
           where shop_id = $1 and refund_id = $2""",
        tx.shop_id,
        refund_id,
        status,
        at,
    )


async def move_refunded(tx: Tx, order_id: UUID) -> None:
    """Nothing of the order is left."""
    await tx.run(
        """update ordering.orders set status = 'refunded'
           where shop_id = $1 and order_id = $2""",
        tx.shop_id,
        order_id,
    )


_REFUND = """r.refund_id, r.order_id, r.status, r.amount_fen, r.shipping_fen, r.wechat_fen,
  r.balance_fen, r.points, r.reason, r.is_restocked, r.actor, r.started_at, r.finished_at,
  coalesce((select jsonb_agg(jsonb_build_object('line_no', l.line_no, 'quantity', l.quantity,
      'amount_fen', l.amount_fen) order by l.line_no)
    from ordering.refund_lines l
    where l.shop_id = r.shop_id and l.refund_id = r.refund_id), '[]') as lines"""


async def get_refund(tx: ReadTx, refund_id: UUID) -> OrderRefund | None:
    """One refund with its lines."""
    return await tx.maybe(
        OrderRefund,
        f"select {_REFUND} from ordering.refunds r where shop_id = $1 and refund_id = $2",
        tx.shop_id,
        refund_id,
    )


async def list_refunds(tx: ReadTx, order_id: UUID) -> list[OrderRefund]:
    """The refunds of an order, oldest first."""
    return await tx.all(
        OrderRefund,
        f"""select {_REFUND} from ordering.refunds r
            where shop_id = $1 and order_id = $2 order by started_at, refund_id""",
        tx.shop_id,
        order_id,
    )
