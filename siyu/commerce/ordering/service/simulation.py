"""What a campaign would have cost, had it run over the shop's own past orders."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.ordering.service.basket import price_line
from siyu.commerce.ordering.service.checkout import open_address
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import (
    Buyer,
    CostReport,
    OrderFacts,
    PriceLine,
    Pricing,
    Region,
)
from siyu.kernel import clock
from siyu.kernel.db import ReadTx

SAMPLE = 2_000
"""So many orders are priced at most; of more, a part that does not depend on what they cost."""


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """Paid orders of the last `days`, imported ones too, priced with and without a campaign.

    `order_count` were placed then, the `cost` is that of `sample_count` of them. `version` is that
    of the campaign.
    """

    campaign_id: UUID
    version: int
    days: int
    order_count: int
    sample_count: int
    cost: CostReport


class Past(NamedTuple):
    """What a simulation needs, so that it can be done outside of the transaction."""

    campaign_id: UUID
    version: int
    days: int
    order_count: int
    before: Pricing
    after: Pricing
    orders: list["_PastOrder"]
    skus: dict[UUID, SkuForSale]


class _PastOrder(msgspec.Struct, frozen=True):
    """An order as it was: `sku_ids`, `quantities` and `prices` (list, per piece) side by side."""

    order_count: int
    is_member: bool
    is_first: bool
    address_sealed: bytes | None
    sku_ids: list[UUID]
    quantities: list[int]
    prices: list[int]


async def load_past(tx: ReadTx, campaign_id: UUID, days: int) -> Past:
    """Read what `simulate_past` prices. Raises PromotionNotFound."""
    now = clock.now()
    before, after, campaign = await promotions.load_simulation(tx, campaign_id, now=now)
    orders = await _list_past(tx, now - timedelta(days=days), now)
    sku_ids = sorted({sku_id for order in orders for sku_id in order.sku_ids})
    skus = {sku.sku_id: sku for sku in await catalog.load_for_sale(tx, sku_ids)}
    count = orders[0].order_count if orders else 0
    return Past(campaign_id, campaign.version, days, count, before, after, orders, skus)


def simulate_past(past: Past) -> Simulation:
    """Price the orders twice. Pure and heavy, a second for a full sample: not for the event loop.

    Goods are what they are today (category, weight, member price), at the list prices of then;
    member and first order are what they were. Birthdays are not known of the past.
    """
    facts = [found for order in past.orders if (found := _facts(order, past.skus))]
    cost = promotions.simulate(past.before.rules, past.after.rules, facts)
    return Simulation(
        campaign_id=past.campaign_id,
        version=past.version,
        days=past.days,
        order_count=past.order_count,
        sample_count=len(facts),
        cost=cost,
    )


def _facts(order: _PastOrder, skus: dict[UUID, SkuForSale]) -> OrderFacts | None:
    """None for an order of which nothing is in the catalogue any more."""
    lines: dict[UUID, PriceLine] = {}
    bought = zip(order.sku_ids, order.quantities, order.prices, strict=True)
    for sku_id, quantity, price_fen in bought:
        sku = skus.get(sku_id)
        if sku is None:
            continue
        known = lines.get(sku_id)
        quantity += known.quantity if known else 0
        line = price_line(sku, quantity)
        member_fen = line.member_price_fen
        lines[sku_id] = msgspec.structs.replace(
            line,
            list_price_fen=price_fen,
            member_price_fen=None if member_fen is None else min(member_fen, price_fen),
            floor_fen=None if line.floor_fen is None else min(line.floor_fen, price_fen),
        )
    if not lines:
        return None
    address = open_address(order.address_sealed)
    return OrderFacts(
        list(lines.values()),
        Buyer(
            pays_member_price=order.is_member,
            is_first_order=order.is_first,
            region=Region(address.province, address.city) if address else None,
        ),
        is_sent=any(skus[sku_id].kind is ProductKind.PHYSICAL for sku_id in lines),
    )


async def _list_past(tx: ReadTx, since: datetime, until: datetime) -> list[_PastOrder]:
    return await tx.all(
        _PastOrder,
        """with matching as (
             select o.order_id, count(*) over () as order_count from ordering.orders o
             where o.shop_id = $1 and o.kind = 'sale' and o.paid_at is not null
               and o.placed_at >= $2 and o.placed_at < $3
             order by md5(o.order_id::text) limit $4)
           select m.order_count,
             o.adjustments @> '[{"rule": "member_price"}]' as is_member,
             exists (select from ordering.buyers b where b.shop_id = $1
               and b.member_id = o.member_id and b.first_order_id = o.order_id) as is_first,
             o.address_sealed,
             array_agg(l.sku_id order by l.line_no) as sku_ids,
             array_agg(l.quantity order by l.line_no) as quantities,
             array_agg(l.list_price_fen order by l.line_no) as prices
           from matching m
           join ordering.orders o on o.shop_id = $1 and o.order_id = m.order_id
           join ordering.order_lines l
             on l.shop_id = $1 and l.order_id = m.order_id and not l.is_gift
           group by m.order_count, o.order_id, o.member_id, o.adjustments, o.address_sealed""",
        tx.shop_id,
        since,
        until,
        SAMPLE,
    )
