"""Truths of the data: every domain's `invariants.py`, run over the living installation.

A truth is a query that returns no rows. Each runs as the role that owns its view: per shop behind
the fence, over the installation as `siyu_system`, over the warehouse in one of its snapshots (what
its files hold is the matter of `siyu warehouse verify`).
"""

import logging
from collections.abc import Mapping

import msgspec

from siyu.commerce.after_sale import invariants as after_sale
from siyu.commerce.bulk import invariants as bulk
from siyu.commerce.catalog import invariants as catalog
from siyu.commerce.coupons import invariants as coupons
from siyu.commerce.fulfilment import invariants as fulfilment
from siyu.commerce.inventory import invariants as inventory
from siyu.commerce.ordering import invariants as ordering
from siyu.commerce.promotions import invariants as promotions
from siyu.commerce.reviews import invariants as reviews
from siyu.growth.gifting import invariants as gifting
from siyu.kernel import metrics
from siyu.kernel.db import ReadTx, reading, system_transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every
from siyu.merchant.shops import service as shops
from siyu.merchant.staff import invariants as staff
from siyu.money.ledger import invariants as ledger
from siyu.money.payments import invariants as payments
from siyu.money.payouts import invariants as payouts
from siyu.money.points import invariants as points
from siyu.money.profit_sharing import invariants as profit_sharing
from siyu.money.reconciliation import invariants as reconciliation
from siyu.money.stored_value import invariants as stored_value
from siyu.people.consents import invariants as consents
from siyu.people.experiments import invariants as experiments
from siyu.people.members import invariants as members
from siyu.people.outreach import invariants as outreach
from siyu.people.privacy import invariants as privacy
from siyu.people.profiles import invariants as profiles
from siyu.people.segments import invariants as segments
from siyu.warehouse.compaction import invariants as compaction
from siyu.warehouse.tail import invariants as tail_truths
from siyu.warehouse.tail import service as tail

log = logging.getLogger("siyu.truths")

BETWEEN_DOMAINS = {
    "points and balance are held for orders that wait, and spent for those that were paid": """
        with spent as (
          select shop_id, order_id, state, points, 0::bigint as fen from points.spendings
          union all
          select shop_id, order_id, state, 0, principal_fen + bonus_fen
          from stored_value.spendings),
        living as (
          select shop_id, order_id, sum(points) as points, sum(fen)::bigint as fen,
            bool_and(state = 'held') as is_held, bool_and(state = 'captured') as is_spent
          from spent where state <> 'released' group by 1, 2),
        wanted as (
          select shop_id, order_id, t.points, t.principal_fen + t.bonus_fen as fen,
            o.paid_at is null as is_held
          from ordering.tenders t join ordering.orders o using (shop_id, order_id)
          where o.status <> 'cancelled')
        select * from living l full join wanted w using (shop_id, order_id)
        where l.points is distinct from w.points or l.fen is distinct from w.fen
           or l.is_held is distinct from w.is_held or l.is_spent = w.is_held""",
    "coupons are kept for orders that wait, and used by those that were paid": """
        with wanted as (
          select o.shop_id, o.order_id, c.key::uuid as claim_id, c.value::bigint as off_fen,
            case when o.paid_at is null then 'held' else 'used' end as state
          from ordering.orders o, jsonb_each_text(o.coupons) c
          where o.status not in ('cancelled', 'refunded')),
        kept as (
          select c.shop_id, c.order_id, c.claim_id, c.off_fen, c.state from coupons.claims c
          left join ordering.orders o using (shop_id, order_id)
          where c.order_id is not null and o.status is distinct from 'refunded')
        (select * from wanted except select * from kept)
        union all (select * from kept except select * from wanted)""",
    "what an order counts as given back by WeChat is what payments count": """
        select shop_id, refund_id from ordering.refunds o
        full join (select * from payments.refunds
                   where purpose = 'order' and origin <> 'suspense') p using (shop_id, refund_id)
        where coalesce(o.wechat_fen, 0) <> coalesce(p.amount_fen, 0)""",
    "no line sends more than was bought, nor what was refunded before it was wholly sent": """
        select o.shop_id, o.order_id, l.line_no from ordering.orders o
        join ordering.order_lines l using (shop_id, order_id)
        where o.source = 'shop' and (l.sent_quantity > l.quantity or (o.status = 'paid'
          and l.sent_quantity + l.refunded_quantity > l.quantity))""",
    "what an order counts as sent is what its consignments count": """
        select o.shop_id, o.order_id, l.line_no from ordering.orders o
        join ordering.order_lines l using (shop_id, order_id)
        left join (
          select c.shop_id, c.order_id, s.line_no, sum(s.sent) as sent
          from fulfilment.consignments c
          join fulfilment.consignment_lines s using (shop_id, consignment_id)
          group by 1, 2, 3) f
          on f.shop_id = o.shop_id and f.order_id = o.order_id and f.line_no = l.line_no
        where l.sent_quantity <> coalesce(f.sent, 0)""",
    "an order counts as shipped when something of it was sent": """
        select o.shop_id, o.order_id from ordering.orders o
        where o.shipped_at is not null and o.source = 'shop' and not exists (
          select from ordering.order_lines l where l.shop_id = o.shop_id
            and l.order_id = o.order_id and l.sent_quantity > 0)""",
    "money that WeChat holds was paid inside WeChat, once": """
        select u.shop_id, u.payment_id from fulfilment.uploads u
        left join payments.attempts a using (shop_id, payment_id)
        where a.channel is distinct from 'jsapi' or a.provider_number is distinct from u.number
           or a.amount_fen <> u.amount_fen or a.order_id <> u.order_id""",
}
"""Truths over the tables of several domains, which none of them may know."""

OF_A_SHOP: dict[str, Mapping[str, str]] = {
    "members": members.INVARIANTS,
    "consents": consents.INVARIANTS,
    "privacy": privacy.INVARIANTS,
    "segments": segments.INVARIANTS,
    "profiles": profiles.INVARIANTS,
    "experiments": experiments.INVARIANTS,
    "outreach": outreach.INVARIANTS,
    "ledger": ledger.INVARIANTS,
    "payments": payments.INVARIANTS,
    "reconciliation": reconciliation.INVARIANTS,
    "payouts": payouts.INVARIANTS,
    "profit_sharing": profit_sharing.INVARIANTS,
    "points": points.INVARIANTS,
    "stored_value": stored_value.INVARIANTS,
    "inventory": inventory.INVARIANTS,
    "catalog": catalog.INVARIANTS,
    "promotions": promotions.INVARIANTS,
    "coupons": coupons.INVARIANTS,
    "ordering": ordering.INVARIANTS,
    "reviews": reviews.INVARIANTS,
    "fulfilment": fulfilment.INVARIANTS,
    "after_sale": after_sale.INVARIANTS,
    "bulk": bulk.INVARIANTS,
    "gifting": gifting.INVARIANTS,
    "between domains": BETWEEN_DOMAINS,
}
OF_THE_INSTALLATION: dict[str, Mapping[str, str]] = {"staff": staff.INVARIANTS}
OF_THE_WAREHOUSE: dict[str, Mapping[str, str]] = {
    "tail": tail_truths.INVARIANTS,
    "compaction": compaction.INVARIANTS,
}


class Asked(msgspec.Struct, frozen=True):
    """A truth that was asked: in which shop (None: the installation), broken in how many rows."""

    shop: str | None
    domain: str
    truth: str
    rows: int


async def ask(tx: ReadTx, shop: str | None, truths: Mapping[str, Mapping[str, str]]) -> list[Asked]:
    """Each of these truths, asked now."""
    return [
        Asked(shop, domain, truth, await tx.value(f"select count(*) from ({sql}) as broken"))
        for domain, listed in truths.items()
        for truth, sql in listed.items()
    ]


async def check() -> list[Asked]:
    """The broken truths of all shops; an empty list is what should come back."""
    async with system_transaction() as tx:
        everybody = await shops.list_shops(tx)
        asked = await ask(tx, None, OF_THE_INSTALLATION)
    async with tail.snapshotting() as snapshot:
        asked += await ask(snapshot, None, OF_THE_WAREHOUSE)
    for shop in everybody:
        async with reading(ShopId(shop.shop_id)) as read:
            asked += await ask(read, shop.code, OF_A_SHOP)
    return [one for one in asked if one.rows]


@every("47 19 * * *")
async def check_truths() -> None:
    """Each night (03:47 in China): an alarm for every truth that is broken."""
    broken = await check()
    metrics.broken_truths.set(len(broken))
    for one in broken:
        log.error("a truth is broken", extra=msgspec.structs.asdict(one))
