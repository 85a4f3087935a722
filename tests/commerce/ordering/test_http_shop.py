"""Cart and checkout as a customer's phone sees them."""

from uuid import uuid4

from siyu.commerce.ordering import rules
from siyu.kernel import db
from siyu.people.members.contracts import Level
from tests.commerce.ordering.kit import make_skus, shopper, stock_of


async def test_from_cart_to_order(shop):
    tea, cup = await make_skus(shop, 2, price_fen=1990, stock=10)
    async with shopper(shop) as anna:
        await anna.send("POST", "/cart/lines", {"sku_id": tea, "quantity": 1})
        cart = (await anna.send("POST", "/cart/lines", {"sku_id": tea, "quantity": 2})).json()
        assert [(line["quantity"], line["state"]) for line in cart["lines"]] == [(3, "ok")]
        assert (cart["selected_total_fen"], cart["selected_count"]) == (5970, 3)
        await anna.send("POST", "/cart/lines", {"sku_id": cup, "quantity": 11})
        cart = (await anna.send("PATCH", f"/cart/lines/{cup}", {"selected": False})).json()
        assert {line["state"] for line in cart["lines"]} == {"ok", "short"}

        quote = await anna.send(
            "POST",
            "/checkout/quote",
            {"source": "cart", "lines": [], "address_id": anna.address_id},
        )
        assert quote.status_code == 200, quote.text
        shown = quote.json()
        assert shown["total_fen"] == 5970 and shown["needs_address"] is True
        assert shown["address"]["receiver"] == "王小明"
        assert shown["trace"] == [
            {
                "rule": "list_price",
                "label": "原价",
                "amount_fen": 5970,
                "sku_id": str(tea),
                "rule_id": None,
            }
        ]

        order = await anna.order({tea: 3}, 5970, source="cart", remark="请早点送 🙏")
        assert order["status"] == "pending_payment"
        assert rules.read_order_number(order["order_no"]) == order["order_no"]
        assert order["lines"][0]["title"] == "安溪铁观音 1"
        assert order["address"]["phone"] == "+8613812345678"
        assert [entry["event"] for entry in order["timeline"]] == ["placed"]
        assert await stock_of(shop, tea) == (10, 3)

        cart = (await anna.send("GET", "/cart")).json()
        assert [line["sku_id"] for line in cart["lines"]] == [str(cup)]
        again = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
        assert again == order
        listed = (await anna.send("GET", "/orders")).json()
        assert [row["order_no"] for row in listed["items"]] == [order["order_no"]]
        assert listed["next_cursor"] is None


async def test_whose_link_brought_the_customer_is_kept_with_the_order(shop):
    (tea,) = await make_skus(shop, price_fen=1990, stock=10)
    promoter_id = str(uuid4())
    async with shopper(shop) as anna:
        body = anna.order_body({tea: 1}, 1990) | {"promoter_id": promoter_id}
        order = (await anna.send("POST", "/orders", body)).json()
    async with db.reading(shop) as tx:
        kept = await tx.value(
            "select promoter_id from ordering.orders where shop_id = $1 and order_id = $2",
            shop,
            order["order_id"],
        )
    assert str(kept) == promoter_id


async def test_placing_an_order_takes_at_most_nine_round_trips(shop):
    """Begin, key, goods, buyer, prices, order, stock, answer, commit."""
    skus = await make_skus(shop, 5)
    async with shopper(shop) as anna:
        body = anna.order_body(dict.fromkeys(skus, 1), 5 * 1990, source="cart", coupon_ids=[])
        with db.recorded() as trips:
            answer = await anna.send("POST", "/orders", body)
        assert answer.status_code == 200, answer.text
        assert len(trips) <= 9, [sql[:60] for sql, _ in trips]


async def test_members_of_a_level_pay_its_price(shop):
    (tea,) = await make_skus(shop, 1, price_fen=2000, member_price_fen=1800)
    async with shopper(shop, Level.VIP) as anna, shopper(shop) as ben:
        order = await anna.order({tea: 2}, 3600)
        assert (order["items_fen"], order["discount_fen"]) == (4000, 400)
        assert order["lines"][0]["unit_price_fen"] == 1800
        await ben.order({tea: 2}, 4000)


async def test_a_page_of_orders_follows_the_other(shop):
    (tea,) = await make_skus(shop)
    async with shopper(shop) as anna:
        placed = [(await anna.order({tea: 1}, 1990))["order_no"] for _ in range(5)]
        seen, path = [], "/orders?limit=2"
        while path:
            page = (await anna.send("GET", path)).json()
            seen += [row["order_no"] for row in page["items"]]
            following = page["next_cursor"]
            path = following and f"/orders?limit=2&cursor={following}"
        assert seen == placed[::-1]


async def test_an_unknown_line_of_the_cart_is_404(shop):
    async with shopper(shop) as anna:
        answer = await anna.send("PATCH", f"/cart/lines/{uuid4()}", {"quantity": 1})
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "ordering.sku_not_found"
