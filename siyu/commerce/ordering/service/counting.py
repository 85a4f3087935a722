"""How many orders stand where, and what came of a campaign."""

from typing import Any
from uuid import UUID

import msgspec

from siyu.commerce.ordering.queries import OrderFilter, matching
from siyu.commerce.promotions import service as promotions
from siyu.kernel import clock
from siyu.kernel.db import ReadTx
from siyu.kernel.money import share_bps

MOST = 1_000
"""A number on a tab is counted up to here."""


class OrderCounts(msgspec.Struct, frozen=True):
    """Orders by status, counted to 1,000 each: that many means as many or more."""

    pending_payment: int
    paid: int
    shipped: int
    completed: int
    cancelled: int
    refunded: int


_STATUSES = OrderCounts.__struct_fields__


async def count_orders(tx: ReadTx, wanted: OrderFilter) -> OrderCounts:
    """Orders of the shop that match, whatever status the filter names, by status."""
    args: list[Any] = [tx.shop_id, list(_STATUSES), MOST]
    where = matching(args, msgspec.structs.replace(wanted, status=None))
    return await _count(tx, where, args)


async def count_matching(tx: ReadTx, wanted: OrderFilter | None = None) -> int:
    """How many orders of the shop match (None: all); for exports, which leave with a number."""
    args: list[Any] = [tx.shop_id]
    where = matching(args, wanted or OrderFilter())
    found: int = await tx.value(
        f"select count(*) from ordering.orders o where o.shop_id = $1 and {where}", *args
    )
    return found


async def count_own(tx: ReadTx, member_id: UUID) -> OrderCounts:
    """A member's own orders by status; those of imported history are not shown, nor counted."""
    args: list[Any] = [tx.shop_id, list(_STATUSES), MOST, member_id]
    return await _count(tx, "o.member_id = $4 and o.kind = 'sale' and o.source = 'shop'", args)


async def _count(tx: ReadTx, where: str, args: list[Any]) -> OrderCounts:
    found = await tx.value(
        f"""select jsonb_object_agg(s.status, n.seen)
            from unnest($2::text[]) as s (status) cross join lateral (
              select count(*) as seen from (
                select from ordering.orders o
                where o.shop_id = $1 and o.status = s.status and {where} limit $3) counted) n""",
        *args,
    )
    return OrderCounts(**found)


# --- campaigns ------------------------------------------------------------------------------------


class CampaignResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a campaign so far: paid orders that it touched, their buyers, what they paid
    (`refunded_fen` of it went back), what the campaign took off, and what its gifts are worth.

    `share_bps`: what it took off, of the list price of all goods sold here since its beginning; to
    be compared with `simulated_bps`, what was expected of it. None where nothing can be divided.
    """

    orders: int
    buyers: int
    revenue_fen: int
    refunded_fen: int
    given_fen: int
    gifts_fen: int
    sold_fen: int
    share_bps: int | None
    simulated_bps: int | None


class _Sums(msgspec.Struct, frozen=True):
    orders: int
    buyers: int
    revenue_fen: int
    refunded_fen: int
    given_fen: int
    gifts_fen: int
    sold_fen: int


async def load_result(tx: ReadTx, campaign_id: UUID) -> CampaignResult:
    """What came of a campaign. Raises PromotionNotFound."""
    campaign = await promotions.get_campaign(tx, campaign_id)
    sums = await tx.one(
        _Sums,
        """with sold as (
             select o.order_id, o.member_id, o.items_fen, o.paid_fen, o.refunded_fen,
               o.adjustments @> jsonb_build_array(jsonb_build_object('rule_id', $2::text))
                 as is_touched, o.adjustments
             from ordering.orders o
             where o.shop_id = $1 and o.placed_at >= $3 and o.placed_at < $4
               and o.paid_at is not null and o.kind = 'sale' and o.source = 'shop'),
           given as (
             select coalesce(-sum((a ->> 'amount_fen')::bigint)
                 filter (where a ->> 'rule' <> 'gift'), 0)::bigint as given_fen,
               coalesce(-sum((a ->> 'amount_fen')::bigint)
                 filter (where a ->> 'rule' = 'gift'), 0)::bigint as gifts_fen
             from sold, jsonb_array_elements(adjustments) a
             where is_touched and a ->> 'rule_id' = $2)
           select count(*) filter (where is_touched) as orders,
             count(distinct member_id) filter (where is_touched) as buyers,
             coalesce(sum(paid_fen) filter (where is_touched), 0)::bigint as revenue_fen,
             coalesce(sum(refunded_fen) filter (where is_touched), 0)::bigint as refunded_fen,
             (select given_fen from given) as given_fen,
             (select gifts_fen from given) as gifts_fen,
             coalesce(sum(items_fen), 0)::bigint as sold_fen
           from sold""",
        tx.shop_id,
        str(campaign_id),
        campaign.starts_at,
        campaign.ends_at or clock.now(),
    )
    expected = campaign.simulation.campaigns if campaign.simulation else []
    return CampaignResult(
        **msgspec.structs.asdict(sums),
        share_bps=share_bps(sums.given_fen, sums.sold_fen),
        simulated_bps=next(
            (one.share_bps for one in expected if one.campaign_id == campaign_id), None
        ),
    )
