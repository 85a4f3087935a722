"""Parcels and pick-ups of the customer's own orders."""

from uuid import UUID

import msgspec

from siyu.commerce.fulfilment import service
from siyu.commerce.fulfilment.service import DeliveryView
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import OrderNotFound
from siyu.kernel.auth import MemberIdentity, ShopIdentity
from siyu.kernel.db import reading
from siyu.kernel.http import MEMBER, SHOP, get
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Store


class DeliveryList(msgspec.Struct, frozen=True):
    """An order has few of them: they come on one page."""

    items: list[DeliveryView]


class PickupPlaceList(msgspec.Struct, frozen=True):
    """Places of collection; a closed one takes no new orders."""

    items: list[Store]


@get("/orders/{order_id:uuid}/deliveries", access=MEMBER)
async def list_deliveries(order_id: UUID, member: MemberIdentity) -> DeliveryList:
    """What of an order is on its way to this member, or waits to be collected. Of a gift, who gave
    it sees an empty list, and whoever has no part in it nothing at all.
    """
    async with reading(member.shop_id) as tx:
        found = await service.list_deliveries(tx, order_id, member.member_id)
        if not found:
            order = await ordering.get_order(tx, order_id)
            if order is None or order.member_id != member.member_id:
                raise OrderNotFound
        return DeliveryList(found)


@get("/stores", access=SHOP)
async def list_pickup_places(shop: ShopIdentity) -> PickupPlaceList:
    """Where orders can be collected, open places first."""
    async with reading(shop.shop_id) as tx:
        return PickupPlaceList(await shops.list_stores(tx))


routes = [list_deliveries, list_pickup_places]
