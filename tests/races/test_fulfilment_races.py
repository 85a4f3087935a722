"""A piece is sent or refunded, never both; a pick-up is handed over once. Each race is first shown
to happen with the guard off."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from siyu.commerce.fulfilment import service
from siyu.commerce.fulfilment.contracts import ConsignmentNotFound, NothingLeft, PieceAsked
from siyu.commerce.ordering import queries as ordering_queries
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import MoveRefused, RefundLine, RefundTooMuch
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import StoreText
from tests.commerce.fulfilment.kit import bought, drain
from tests.commerce.ordering.kit import Shopper, broken_invariants, fund, make_skus, shopper

ROUNDS = 6


@pytest.fixture
async def anna(shop: ShopId) -> AsyncIterator[Shopper]:
    async with shopper(shop) as anna:
        await fund(shop, anna.member, principal_fen=12_000)
        yield anna


async def send_some(shop: ShopId, consignment_id: UUID, quantity: int = 1) -> bool:
    try:
        async with transaction(shop) as tx:
            await service.send(
                tx,
                System(),
                {consignment_id: [PieceAsked(1, quantity)]},
                carrier="SF",
                tracking_no="SF00000001",
            )
        return True
    except (NothingLeft, MoveRefused):
        return False


async def refund_one(shop: ShopId, order_id: UUID) -> bool:
    try:
        async with transaction(shop) as tx:
            await ordering.refund(
                tx,
                order_id=order_id,
                refund_id=new_id(),
                lines=[RefundLine(1, 1, 1000)],
                shipping_fen=0,
                reason="缺货",
                restock=True,
                actor=System(),
                unshipped_only=True,
            )
        return True
    except (RefundTooMuch, MoveRefused):
        return False


async def own_consignment(shop: ShopId, order: dict[str, Any]) -> UUID:
    async with reading(shop) as tx:
        sql = "select consignment_id from fulfilment.consignments where order_id = $1"
        return UUID(str(await tx.value(sql, UUID(order["order_id"]))))


async def both(shop: ShopId, anna: Shopper) -> int:
    """Two pieces sent and one of them refunded at once: how many of the two came through."""
    order = await bought(shop, anna, [2])
    consignment_id = await own_consignment(shop, order)
    order_id = UUID(order["order_id"])
    done = await asyncio.gather(send_some(shop, consignment_id, 2), refund_one(shop, order_id))
    await drain()
    return sum(done)


async def test_a_piece_is_sent_or_refunded_never_both(shop: ShopId, anna: Shopper):
    for _ in range(ROUNDS):
        assert await both(shop, anna) == 1
    assert await broken_invariants(shop) == []


async def test_without_the_orders_lock_it_is_both(
    shop: ShopId, anna: Shopper, monkeypatch: pytest.MonkeyPatch
):
    """The negative control: sender and refunder both look before either writes."""
    order = await bought(shop, anna, [2])
    consignment_id = await own_consignment(shop, order)
    meet, looked = asyncio.Barrier(2), set[Any]()
    real = ordering_queries.list_lines

    async def look(tx: Any, order_ids: Any) -> Any:
        found = await real(tx, order_ids)
        if asyncio.current_task() not in looked:
            looked.add(asyncio.current_task())
            await meet.wait()
        return found

    with monkeypatch.context() as off:
        off.setattr(ordering_queries, "lock_order", ordering_queries.get_order)
        for module in (ordering_queries, ordering):
            off.setattr(module, "list_lines", look)
        done = await asyncio.wait_for(
            asyncio.gather(
                send_some(shop, consignment_id, 2), refund_one(shop, UUID(order["order_id"]))
            ),
            20,
        )
    assert done == [True, True]
    async with reading(shop) as tx:
        sql = """select sent_quantity, refunded_quantity, quantity from ordering.order_lines
                 where order_id = $1"""
        row = await tx.connection.fetchrow(sql, UUID(order["order_id"]))
    assert tuple(row) == (2, 1, 2), "a piece that was refunded has left"


async def test_two_clerks_send_the_same_pieces_once(shop: ShopId, anna: Shopper):
    for _ in range(ROUNDS):
        order = await bought(shop, anna, [1])
        consignment_id = await own_consignment(shop, order)
        done = await asyncio.gather(*[send_some(shop, consignment_id) for _ in range(3)])
        assert sum(done) == 1
    assert await broken_invariants(shop) == []


async def test_parcels_of_the_same_two_orders_do_not_deadlock(shop: ShopId, anna: Shopper):
    orders = [await bought(shop, anna, [3]) for _ in range(2)]
    ids = [await own_consignment(shop, order) for order in orders]

    async def send_both(wanted: list[UUID]) -> bool:
        async with transaction(shop) as tx:
            await service.send(
                tx,
                System(),
                {one: [PieceAsked(1, 1)] for one in wanted},
                carrier="SF",
                tracking_no="SF00000001",
            )
        return True

    done = await asyncio.gather(*[send_both(ids[:: 1 - 2 * (n % 2)]) for n in range(3)])
    assert done == [True] * 3
    assert await broken_invariants(shop) == []


async def test_a_pickup_is_handed_over_or_refunded_once(shop: ShopId, anna: Shopper):
    async with transaction(shop) as tx:
        given = StoreText(name="西湖店", address="龙井路 1 号")
        store = await shops.save_store(tx, System(), None, given)
    (sku,) = await make_skus(shop, price_fen=1000)

    async def hand_over(consignment_id: UUID) -> bool:
        try:
            async with transaction(shop) as tx:
                await service.hand_over(tx, System(), consignment_id)
            return True
        except (ConsignmentNotFound, MoveRefused):
            return False
        except SiyuError as error:
            raise AssertionError(error.code) from error

    for _ in range(ROUNDS):
        order = await anna.order(
            {sku: 1},
            1000,
            use_balance=True,
            address_id=None,
            pickup_store_id=str(store.store_id),
        )
        await drain()
        consignment_id = await own_consignment(shop, order)
        done = await asyncio.gather(
            hand_over(consignment_id),
            hand_over(consignment_id),
            refund_one(shop, UUID(order["order_id"])),
        )
        await drain()
        assert sum(done) == 1
    assert await broken_invariants(shop) == []
