"""Each truth of after-sale is first shown to be broken by what it forbids."""

from collections.abc import AsyncIterator

import pytest

from siyu.commerce.after_sale.invariants import INVARIANTS
from siyu.kernel.db import transaction
from tests.commerce.after_sale.kit import PARCEL, Sale, ok, selling
from tests.commerce.ordering.kit import make_skus
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def sale(market: Market) -> AsyncIterator[Sale]:
    """A finished return, an exchange on its way, and a fresh wish with a picture."""
    async with selling(market) as sale:
        (tea,) = await make_skus(sale.shop, stock=9)
        order = await sale.buy({tea: 4}, 7960)
        await sale.ship(order)
        for kind in ("return_refund", "exchange"):
            case = await sale.open(order, kind, "does_not_fit", lines={1: 1})
            ok(await sale.act(case, "approve"))
            ok(await sale.do(case, "ship-back", PARCEL))
            ok(await sale.act(case, "receive", {"restock": "sellable"}))
            ok(
                await sale.act(
                    case, *(["refund"] if kind != "exchange" else ["ship-exchange", PARCEL])
                )
            )
        await sale.money()
        picture = await sale.evidence()
        await sale.open(order, "exchange", "quality", lines={1: 1}, picture_ids=[picture])
        assert await sale.broken() == []
        yield sale


REQUESTED = "(select case_id from after_sale.cases where state = 'requested')"
BREAKS = {
    "what is claimed of a line is what living cases are about":
        "update after_sale.order_lines set claimed = claimed - 1",
    "what is claimed of the shipping is what living cases are about":
        "update after_sale.orders set shipping_fen = 5, claimed_shipping_fen = 5",
    "a case is worth its lines and its shipping":
        "update after_sale.cases set cap_fen = cap_fen + 1",
    "every case has a beginning in its timeline":
        """insert into after_sale.cases
           select (jsonb_populate_record(c, jsonb_build_object('case_id', gen_random_uuid(),
             'refund_id', gen_random_uuid(), 'case_no', 'x'))).*
           from after_sale.cases c where state = 'requested'""",
    "who waits has a deadline":
        "update after_sale.cases set due_at = null where state = 'requested'",
    "evidence belongs to the member of its case":
        "update after_sale.pictures set member_id = gen_random_uuid()",
    "a refund under way or done is the order's, to the fen":
        "update after_sale.cases set amount_fen = amount_fen - 1 where state = 'refunded'",
    "no money before it was decided":
        """update after_sale.cases set state = 'received', closed_at = null, due_at = now()
           where state = 'refunded'""",
    "sellable goods are on hand again, once":
        "update after_sale.cases set restock = 'damaged' where state = 'refunded'",
    "a replacement leaves once, and only for an exchange":
        "update after_sale.cases set state = 'received' where state = 'exchanging'",
    "a replacement is kept only while its exchange lives":
        f"""insert into inventory.reservations (shop_id, source, sku_id, warehouse_id, quantity)
            select shop_id, {REQUESTED}, sku_id, warehouse_id, 1 from inventory.stock""",
}  # fmt: skip


def test_every_truth_has_its_break() -> None:
    assert BREAKS.keys() == INVARIANTS.keys()


async def test_what_a_truth_forbids_is_found(sale: Sale) -> None:
    blind = []
    for truth, wrong in BREAKS.items():
        with pytest.raises(ZeroDivisionError):
            async with transaction(sale.shop) as tx:
                assert await tx.run(wrong), truth
                if not await tx.connection.fetch(INVARIANTS[truth]):
                    blind.append(truth)
                raise ZeroDivisionError  # so that nothing of it stays
    assert blind == []
