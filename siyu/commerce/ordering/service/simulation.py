"""What a campaign or a coupon would have cost, had it run over the shop's own past orders."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.coupons import service as coupons
from siyu.commerce.ordering.service.basket import price_line
from siyu.commerce.ordering.service.checkout import open_address
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import (
    Buyer,
    CostReport,
    CouponOff,
    OrderFacts,
    PriceLine,
    Pricing,
    Region,
)
from siyu.commerce.promotions.service import CouponTrial
from siyu.kernel import clock
from siyu.kernel.db import ReadTx

SAMPLE = 2_000
"""So many orders are priced at most; of more, a part that does not depend on what they cost."""


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """Paid orders of the last `days`, imported ones too, priced with and without a campaign or a
    coupon, of which `version` was tried.

    `order_count` were placed then, the `cost` is that of `sample_count` of them.
    """

    version: int
    days: int
    order_count: int
    sample_count: int
    cost: CostReport


class CampaignSimulation(Simulation, frozen=True, kw_only=True):
    """A simulation of a campaign."""

    campaign_id: UUID


class Past(NamedTuple):
    """What a simulation needs, so that it can be done outside of the transaction. `used`: what
    coupons the orders carried, where that is looked at.
    """

    version: int
    days: int
    order_count: int
    before: Pricing
    after: Pricing
    orders: list["_PastOrder"]
    skus: dict[UUID, SkuForSale]
    trial: CouponTrial | None = None
    used: Mapping[UUID, list[CouponOff]] = MappingProxyType({})


class _PastOrder(msgspec.Struct, frozen=True):
    """An order as it was: `sku_ids`, `quantities` and `prices` (list, per piece) side by side."""

    order_count: int
    order_id: UUID
    member_id: UUID
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
    orders, skus = await _list_past(tx, now - timedelta(days=days), now)
    count = orders[0].order_count if orders else 0
    return Past(campaign.version, days, count, before, after, orders, skus)


async def load_coupon_past(tx: ReadTx, batch_id: UUID, days: int) -> Past:
    """Read what `simulate_past` prices with a coupon, and what coupons were used then. Of a sample
    the coupon has its share of quantity and budget only. Raises BatchNotFound.
    """
    now = clock.now()
    trial, version = await coupons.load_trial(tx, batch_id)
    pricing = await promotions.load_pricing(tx, now=now)
    orders, skus = await _list_past(tx, now - timedelta(days=days), now)
    used = await coupons.list_used(tx, [order.order_id for order in orders], but=batch_id)
    count = orders[0].order_count if orders else 0
    for limit in ("total_count", "budget_fen"):
        whole = getattr(trial, limit)
        if whole is not None and count > len(orders):
            # Rounded up, for the cost is reckoned high.
            part = -(-whole * len(orders) // count)
            trial = msgspec.structs.replace(trial, **{limit: part})
    return Past(version, days, count, pricing, pricing, orders, skus, trial, used)


def simulate_past(past: Past) -> Simulation:
    """Price the orders twice. Pure and heavy, a second for a full sample: not for the event loop.

    Goods are what they are today (category, weight, member price), at the list prices of then;
    member and first order are what they were. Birthdays are not known of the past.
    """
    facts = [
        found
        for order in past.orders
        if (found := _facts(order, past.skus, past.used.get(order.order_id, ())))
    ]
    cost = promotions.simulate(past.before.rules, past.after.rules, facts, past.trial)
    return Simulation(
        version=past.version,
        days=past.days,
        order_count=past.order_count,
        sample_count=len(facts),
        cost=cost,
    )


def _facts(
    order: _PastOrder, skus: dict[UUID, SkuForSale], used: Sequence[CouponOff]
) -> OrderFacts | None:
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
        member_id=order.member_id,
        coupons=used,
    )


async def _list_past(
    tx: ReadTx, since: datetime, until: datetime
) -> tuple[list[_PastOrder], dict[UUID, SkuForSale]]:
    """The orders, the oldest first, and what is in the catalogue of their goods."""
    orders = await tx.all(
        _PastOrder,
        """with matching as (
             select o.order_id, count(*) over () as order_count from ordering.orders o
             where o.shop_id = $1 and o.kind = 'sale' and o.paid_at is not null
               and o.placed_at >= $2 and o.placed_at < $3
             order by md5(o.order_id::text) limit $4)
           select m.order_count, o.order_id, o.member_id,
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
           group by m.order_count, o.order_id, o.member_id, o.adjustments, o.address_sealed,
             o.placed_at
           order by o.placed_at, o.order_id""",
        tx.shop_id,
        since,
        until,
        SAMPLE,
    )
    sku_ids = sorted({sku_id for order in orders for sku_id in order.sku_ids})
    return orders, {sku.sku_id: sku for sku in await catalog.load_for_sale(tx, sku_ids)}
