"""Exchanges: what is kept, what leaves, what comes back."""

import secrets
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductDraft, SkuDraft
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from siyu.money.payments import service as payments
from tests.commerce.after_sale.kit import PARCEL, Sale, events, ok, refused, selling
from tests.commerce.ordering.kit import make_skus
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def sale(market: Market) -> AsyncIterator[Sale]:
    async with selling(market) as sale:
        yield sale
        assert await sale.broken() == []


async def make_shirt(sale: Sale, stock: tuple[int, ...] = (5, 5, 5)) -> list[UUID]:
    """One product in S, M and, dearer, L."""
    key = secrets.token_hex(16)
    skus = [
        SkuDraft(option_values=[size], price_fen=price_fen, stock=count)
        for size, price_fen, count in zip("SML", (1990, 1990, 2990), stock, strict=True)
    ]
    draft = ProductDraft(
        title="T 恤", option_names=["尺码"], image_urls=[f"/media/{key}-1200.webp"], skus=skus
    )
    async with transaction(sale.shop) as tx:
        await tx.run(
            """insert into catalog.images (shop_id, image_key, width, height, created_at)
               values ($1, $2, 10, 10, now())""",
            sale.shop,
            key,
        )
        product_id = await catalog.create_product(tx, System(), draft)
        await catalog.set_shelf(tx, System(), product_id, True)
        rows = await tx.connection.fetch(
            "select sku_id from catalog.skus where product_id = $1 order by position", product_id
        )
    return [row["sku_id"] for row in rows]


async def swap(sale: Sale, order: dict, sku: UUID | None, quantity: int = 1) -> dict:
    """The body of a wish to exchange pieces of line 1."""
    line = {"line_no": 1, "quantity": quantity, "exchange_sku_id": sku and str(sku)}
    body = {"kind": "exchange", "reason": "does_not_fit", "lines": [line]}
    return ok(await sale.anna.send("POST", f"/orders/{order['order_id']}/after-sale", body))


async def shipped(sale: Sale, sku: UUID, quantity: int = 1) -> dict:
    order = await sale.buy({sku: quantity}, 1990 * quantity)
    await sale.ship(order)
    return order


async def test_another_size_is_kept_sent_and_confirmed(sale: Sale):
    small, medium, _ = await make_shirt(sale)
    order = await shipped(sale, small, 2)
    case = await swap(sale, order, medium)
    assert (case["asked_fen"], case["lines"][0]["exchange_sku_id"]) == (0, str(medium))
    ok(await sale.act(case, "approve"))
    assert await sale.stock(medium) == (5, 1)
    ok(await sale.do(case, "ship-back", PARCEL))
    ok(await sale.act(case, "receive", {"restock": "sellable"}))
    assert (await sale.stock(small), await sale.stock(medium)) == ((4, 0), (5, 1))
    done = ok(await sale.act(case, "ship-exchange", PARCEL))
    assert (done["state"], done["exchange_tracking_no"]) == ("exchanging", "SF1234567890")
    assert await sale.stock(medium) == (4, 0)
    assert refused(await sale.act(case, "ship-exchange", PARCEL))[0] == 409
    assert await sale.stock(medium) == (4, 0)
    shown = ok(await sale.do(case, "confirm"))
    assert (shown["state"], shown["actions"]) == ("completed", [])
    assert events(shown) == ["open", "approve", "ship_back", "pass", "ship_exchange", "confirm"]
    assert await sale.value("select count(*) from ordering.refunds") == 0
    [closed] = await sale.told("case_closed")
    assert (closed["state"], closed["amount_fen"]) == ("completed", 0)
    again = await sale.open(order, "return_refund", lines={1: 2})
    assert again["asked_fen"] == 3980, "a replacement may be faulty, too"


async def test_time_confirms_a_replacement(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await shipped(sale, tea)
    case = await swap(sale, order, None)
    ok(await sale.act(case, "approve"))
    ok(await sale.do(case, "ship-back", PARCEL))
    ok(await sale.act(case, "receive", {"restock": "damaged"}))
    ok(await sale.act(case, "ship-exchange", PARCEL))
    assert await sale.stock(tea) == (3, 0)
    await sale.later(days=10, minutes=1)
    assert (await sale.see(case))["state"] == "completed"


async def test_a_replacement_that_is_not_there_cannot_be_promised(sale: Sale):
    small, medium, _ = await make_shirt(sale, (5, 0, 5))
    order = await shipped(sale, small)
    case = await swap(sale, order, medium)
    assert refused(await sale.act(case, "approve")) == (409, "inventory.stock_short")
    assert (await sale.see(case))["state"] == "requested"
    ok(await sale.act(case, "reject", {"text": "M 码缺货，可退款"}))
    assert (await sale.open(order, "return_refund"))["state"] == "requested"


@pytest.mark.parametrize("how", ["withdraw", "expire", "fail"])
async def test_what_was_kept_is_free_again_when_nothing_comes_of_it(sale: Sale, how: str):
    small, medium, _ = await make_shirt(sale)
    case = await swap(sale, await shipped(sale, small), medium)
    ok(await sale.act(case, "approve"))
    assert await sale.stock(medium) == (5, 1)
    if how == "withdraw":
        ok(await sale.do(case, "withdraw"))
    elif how == "expire":
        await sale.later(days=8)
    else:
        ok(await sale.do(case, "ship-back", PARCEL))
        ok(await sale.act(case, "receive", {"restock": None, "text": "吊牌已剪"}))
    assert await sale.stock(medium) == (5, 0)
    assert (await sale.see(case))["state"] in ("withdrawn", "expired", "rejected")


async def test_money_instead_of_a_replacement(sale: Sale):
    small, medium, _ = await make_shirt(sale)
    order = await shipped(sale, small)
    case = await swap(sale, order, medium)
    ok(await sale.act(case, "approve"))
    ok(await sale.do(case, "ship-back", PARCEL))
    ok(await sale.act(case, "receive", {"restock": "sellable"}))
    done = ok(await sale.act(case, "refund", {"text": "M 码发现瑕疵，改退款"}))
    assert (done["state"], done["amount_fen"]) == ("refunding", 1990)
    assert (await sale.stock(small), await sale.stock(medium)) == ((5, 0), (5, 0))
    await sale.money()
    assert (await sale.see(case))["state"] == "refunded"
    assert (await sale.order(order))["status"] == "refunded"


async def test_only_the_same_product_at_the_same_price_replaces(sale: Sale):
    small, _, large = await make_shirt(sale)
    (tea,) = await make_skus(sale.shop)
    order = await shipped(sale, small)
    for other in (large, tea):
        line = {"line_no": 1, "quantity": 1, "exchange_sku_id": str(other)}
        body = {"kind": "exchange", "reason": "does_not_fit", "lines": [line]}
        answer = await sale.anna.send("POST", f"/orders/{order['order_id']}/after-sale", body)
        assert refused(answer) == (409, "after_sale.exchange_refused")
    assert await sale.value("select count(*) from after_sale.cases") == 0


async def test_a_replacement_after_all_when_the_refund_failed(sale: Sale):
    small, medium, _ = await make_shirt(sale, (5, 1, 5))
    order = await shipped(sale, small)
    case = await swap(sale, order, medium)
    ok(await sale.act(case, "approve"))
    ok(await sale.do(case, "ship-back", PARCEL))
    ok(await sale.act(case, "receive", {"restock": "sellable"}))
    await sale.market.fault("refund_closed", "refund", times=None)
    ok(await sale.act(case, "refund", {"text": "改退款"}))
    for _ in range(8):
        await sale.money()
    async with transaction(sale.shop) as tx:
        refund_id = await tx.value("select refund_id from after_sale.cases")
        await payments.give_up_refund(tx, refund_id, "微信多次关闭", System())
    await sale.news()
    shown = await sale.see(case)
    assert (shown["state"], shown["trouble"]) == ("received", "closed")

    taken = await sale.anna.order({medium: 1}, 1990)
    answer = await sale.act(case, "ship-exchange", PARCEL)
    assert refused(answer) == (409, "inventory.stock_short")
    assert (await sale.see(case))["state"] == "received"
    ok(await sale.anna.send("POST", f"/orders/{taken['order_id']}/cancel", {}))
    ok(await sale.act(case, "ship-exchange", PARCEL))
    assert await sale.stock(medium) == (0, 0)
    assert ok(await sale.do(case, "confirm"))["state"] == "completed"
