"""What a simulation did, counted from its database: an actor that does nothing shows here as a 0.

Capability -> kind of deed -> a query with one number.
"""

from siyu.app.sim_trade import TITLE
from siyu.kernel.db import reading
from siyu.kernel.ids import ShopId


def _count(table: str, where: str = "true") -> str:
    return f"select count(*) from {table} where {where}"


def _coupon(kind: str) -> str:
    return _count("coupons.moves", f"kind = '{kind}'")


def _stock(kind: str) -> str:
    return _count("inventory.movements", f"kind = '{kind}'")


def _shares(state: str) -> str:
    return _count("gifting.shares", f"state = '{state}'")


def _booked(kind: str) -> str:
    return _count("ledger.entries", f"kind = '{kind}'")


DEEDS: dict[str, dict[str, str]] = {
    "orders": {
        "paid": _count("ordering.orders", "paid_at is not null"),
        "cancelled": _count("ordering.orders", "status = 'cancelled'"),
        "received": _count("ordering.orders", "status = 'completed'"),
        "paid at the counter": _count("ordering.orders", "is_offline"),
        "refunded": _count("ordering.refunds", "status = 'refunded'"),
        "refunded in parts": _count("ordering.orders", "refunded_fen between 1 and total_fen - 1"),
        "paid with balance": _count("ordering.tenders", "principal_fen > 0"),
    },
    "coupons": {
        "claimed": _coupon("claimed"),
        "held": _coupon("held"),
        "used": _coupon("used"),
        "let go by a cancelled order": _coupon("released"),
        "given back at a refund": _coupon("given_back"),
        "expired": _coupon("expired"),
        "sold out": _count("coupons.batches", "claimed_count = total_count"),
    },
    "campaigns": {
        "went live": _count("promotions.campaigns", "state <> 'draft' and starts_at <= now()"),
        "ended by the clock": _count(
            "promotions.campaigns", "state = 'running' and ends_at <= now()"
        ),
        "ended by hand": _count("promotions.campaigns", "state = 'ended'"),
        "lowered a price": _count("ordering.orders", f"adjustments::text like '%{TITLE}%'"),
    },
    "parcels": {
        "sent": _count("fulfilment.parcels"),
        "with a part of an order": """
            select count(*) from (select consignment_id from fulfilment.parcel_lines
              group by 1 having count(distinct parcel_id) > 1) _""",
        "with several orders": """
            select count(*) from (select parcel_id from fulfilment.parcel_lines
              group by 1 having count(distinct consignment_id) > 1) _""",
        "collected": _count(
            "fulfilment.consignments", "kind = 'pickup' and handed_over_at is not null"
        ),
        "told to WeChat": _count("fulfilment.uploads", "uploaded_at is not null"),
        "told after several calls": _count(
            "fulfilment.uploads", "uploaded_at is not null and calls > 1"
        ),
    },
    "stock": {
        "sold": _stock("sold"),
        "returned": _stock("returned"),
        "adjusted": _count("inventory.movements", "kind = 'adjusted' and reason = '盘点'"),
        "moved": _count("inventory.movements", "kind = 'transferred' and reason = '盘点'"),
        "sold in the hot lane": "select coalesce(sum(orders), 0) from inventory.lanes",
    },
    "gifts": {
        "to a friend": _count("gifting.gifts", "standing = 'paid' and kind = 'friend'"),
        "to a group": _count("gifting.gifts", "standing = 'paid' and kind = 'group'"),
        "accepted": _shares("accepted"),
        "taken back by time": _count("gifting.shares", "ended_by = 'time'"),
        "taken back by the giver": _count("gifting.shares", "ended_by = 'giver'"),
        "refunded": _shares("refunded"),
        "swapped": _count("gifting.shares", "sent_sku_id is not null"),
        "given back by the shop": _count("gifting.shares", "returned_id is not null"),
        "confirmed": _count("gifting.shares", "received_at is not null"),
        "asked about": _count("gifting.messages"),
        "sent": """select count(*) from fulfilment.parcel_lines
                     join gifting.shares s using (shop_id, consignment_id)""",
    },
    "stored value": {
        "topped up": _booked("top_up"),
        "spent": _booked("balance_spent"),
        "given back at a refund": _booked("balance_given_back"),
        "paid back to its owner": _booked("top_up_withdrawn"),
    },
    "points": {
        "earned": _booked("points_earned"),
        "spent": _booked("points_spent"),
        "given back at a refund": _booked("points_given_back"),
        "taken back at a refund": _booked("points_revoked"),
    },
    "profit sharing": {
        "split": _booked("split"),
        "unfrozen": _booked("split_unfrozen"),
        "earned by a promoter": _count(
            "profit_sharing.parts", "scope = 'promoter' and state = 'credited' and evidence = '{}'"
        ),
        "held": _count("profit_sharing.parts", "evidence <> '{}'"),
        "released": _count("profit_sharing.parts", "evidence <> '{}' and state = 'credited'"),
        "denied": _count("profit_sharing.parts", "state = 'denied'"),
    },
    "reviews": {
        "written": _count("reviews.reviews"),
        "shown": _count("reviews.reviews", "is_shown"),
    },
    "after sale": {
        "opened": _count("after_sale.cases"),
        "refunded": _count("after_sale.cases", "state = 'refunded'"),
    },
}


async def count(shop_id: ShopId) -> dict[str, int]:
    """Kind of deed -> how often it was done: `coupons: used`."""
    async with reading(shop_id) as tx:
        return {
            f"{capability}: {kind}": int(await tx.value(sql))
            for capability, kinds in DEEDS.items()
            for kind, sql in kinds.items()
        }
