"""The console's side: marks, exclusions, kits, the list and the conversion; and the shop's hall."""

from uuid import UUID, uuid4

import pytest

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import CategoryDraft
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import RefundLine
from siyu.growth.gifting import service
from siyu.growth.gifting.service import returning, terms
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from tests.commerce.ordering.kit import make_skus
from tests.growth.gifting.kit import TEA, Fair, ok, refused, why

pytestmark = pytest.mark.xdist_group("sandbox")


async def test_a_marked_product_is_found_by_gift_words(shop_fair: Fair) -> None:
    fair = shop_fair
    for word in ("礼物", "送礼", "gift"):
        found = ok(await fair.anna.send("GET", f"/products?q={word}"))["items"]
        assert [one["product_id"] for one in found] == [str(fair.product)], word
    assert ok(await fair.anna.send("GET", f"/gifts/goods/{fair.product}"))["can_give"]
    left = ok(await fair.desk("DELETE", f"/products/{fair.product}"))
    assert left["items"] == []
    ok(await fair.desk("DELETE", f"/products/{fair.product}"))
    # Lists are kept for a moment: another page of it is asked.
    assert ok(await fair.anna.send("GET", "/products?q=礼物&limit=19"))["items"] == []
    assert not ok(await fair.anna.send("GET", f"/gifts/goods/{fair.product}"))["can_give"]
    [row] = ok(await fair.desk("PUT", f"/products/{fair.product}"))["items"]
    assert (row["title"], row["why_not"]) == ("安溪铁观音 1", None)
    again = ok(await fair.desk("PUT", f"/products/{fair.product}"))["items"]
    assert len(again) == 1
    unknown = uuid4()
    for answer in (
        await fair.desk("PUT", f"/products/{unknown}"),
        await fair.anna.send("GET", f"/gifts/goods/{unknown}"),
    ):
        assert refused(answer) == (404, "catalog.product_not_found")


async def test_the_shop_marks_so_many(shop_fair: Fair, monkeypatch: pytest.MonkeyPatch) -> None:
    fair = shop_fair
    monkeypatch.setattr(terms, "MAX_MARKED", 1)
    [sku] = await make_skus(fair.shop)
    product = await fair.value("select product_id from catalog.skus where sku_id = $1", sku)
    answer = await fair.desk("PUT", f"/products/{product}")
    assert refused(answer) == (409, "gifting.too_many_marked")
    assert len(ok(await fair.desk("GET", "/products"))["items"]) == 1


async def test_R40_excluded_categories(shop_fair: Fair) -> None:
    fair = shop_fair
    async with transaction(fair.shop) as tx:
        jewels = await catalog.save_category(tx, System(), CategoryDraft(name="珠宝首饰"))
        await tx.run("update catalog.products set category_id = $1", jewels)
    [row] = ok(await fair.desk("GET", "/exclusions"))["items"]
    assert (row["is_excluded"], row["by_name"], row["is_decided"]) == (True, True, False)
    [marked] = ok(await fair.desk("GET", "/products"))["items"]
    assert marked["why_not"] == "excluded"
    assert why(await fair.desk("PUT", f"/products/{fair.product}")) == "excluded"
    assert why(await fair.anna.send("POST", "/gifts", fair.body())) == "excluded"
    path = f"/exclusions/{jewels}"
    answer = await fair.desk("PUT", path, {"is_excluded": False})
    assert refused(answer) == (422, "gifting.reason_needed")
    ok(await fair.desk("PUT", path, {"is_excluded": False, "reason": "木雕摆件"}))
    ok(await fair.anna.send("POST", "/gifts", fair.body()))
    [row] = ok(await fair.desk("PUT", path, {"is_excluded": None}))["items"]
    assert row["is_excluded"] and not row["is_decided"]
    answer = await fair.desk("PUT", f"/exclusions/{uuid4()}", {"is_excluded": True})
    assert refused(answer) == (404, "catalog.category_not_found")


async def test_kits_are_standard_until_the_shop_writes_its_own(shop_fair: Fair) -> None:
    fair = shop_fair
    kits = ok(await fair.desk("GET", "/kits"))["items"]
    assert [one["name"] for one in kits][:3] == ["春节", "生日", "年货礼盒"]
    own = kits[0] | {
        "kit": "yuanxiao",
        "name": "元宵",
        "card_title": "元宵送礼",
        "is_enabled": True,
    }
    hidden = kits[1] | {"is_enabled": False}
    assert len(ok(await fair.desk("PUT", "/kits", {"items": [own, hidden]}))["items"]) == 2
    hall = ok(await fair.anna.send("GET", "/gifts/hall"))
    assert [one["kit"] for one in hall["kits"]] == ["yuanxiao"]
    gift = await fair.give(1, kit="yuanxiao", theme="spring")
    assert gift["card_title"] == "元宵送礼"
    other = await fair.give(1, kit="unheard-of")
    assert other["card_title"] == "送你一份礼物，请收下"
    answer = await fair.desk("PUT", "/kits", {"items": [own | {"card_title": "元宵好"}]})
    assert (refused(answer), why(answer)) == ((422, "gifting.bad_kit"), "title")
    ok(await fair.desk("PUT", "/kits", {"items": []}))
    assert ok(await fair.desk("GET", "/kits"))["items"] == kits


async def test_goods_of_the_hall(shop_fair: Fair) -> None:
    fair = shop_fair
    ok(await fair.accept(await fair.person(), await fair.give(1)))
    [good] = ok(await fair.anna.send("GET", "/gifts/goods?kit=birthday"))["items"]
    assert (good["given_count"], good["price_fen"]) == (1, TEA)
    assert ok(await fair.anna.send("GET", f"/gifts/goods?from_fen={TEA + 1}"))["items"] == []
    assert (await fair.anna.send("GET", "/gifts/goods?from_fen=-1")).status_code == 422


async def test_list_detail_and_conversion(shop_fair: Fair) -> None:
    fair = shop_fair
    nothing = ok(await fair.desk("GET", "/conversion"))
    assert nothing["total"]["placed"] == 0 and nothing["by_kit"] == []
    gift = await fair.give(3, kit="birthday", scene="article")
    new = await fair.person()
    ok(await fair.open(new, gift, scene="group"))
    ok(await fair.open(new, gift, scene="later"))
    ok(await fair.accept(new, gift))
    ok(await fair.anna.send("POST", "/gifts", fair.body()))
    await fair.later(hours=25)
    await fair.money()
    seen = ok(await fair.desk("GET", "/conversion", days=7))
    total = seen["total"]
    assert {key: total[key] for key in ("placed", "paid", "seen", "shares", "accepted")} == {
        "placed": 2, "paid": 1, "seen": 1, "shares": 3, "accepted": 1,
    }  # fmt: skip
    assert (total["refunded"], total["new_customers"], total["swapped"]) == (2, 1, 0)
    assert (total["paid_fen"], total["refunded_fen"]) == (3 * TEA, 2 * TEA)
    assert [(one["key"], one["placed"]) for one in seen["by_kit"]] == [("birthday", 1), ("", 1)]
    assert [one["key"] for one in seen["by_scene"]] == ["article", ""]
    assert list(seen["product_titles"].values()) == ["安溪铁观音 1"]
    rows = ok(await fair.desk("GET", ""))["items"]
    assert [row["gift"]["standing"] for row in rows] == ["unpaid", "paid"]
    assert rows[1]["gift"]["visitors"] == 1 and rows[1]["giver_name"]
    first = ok(await fair.desk("GET", "", limit=1))
    rest = ok(await fair.desk("GET", "", limit=1, cursor=first["next_cursor"]))
    assert rest["items"][0]["gift"]["gift_id"] == gift["gift_id"]
    for query, count in (({"standing": "paid"}, 1), ({"share_state": "waiting"}, 0)):
        assert len(ok(await fair.desk("GET", "", **query))["items"]) == count
    detail = ok(await fair.desk("GET", f"/{gift['gift_id']}"))
    assert [one["state"] for one in detail["shares"]] == ["accepted", "refunded", "refunded"]
    assert detail["refunds"][0]["state"] == "done" and detail["shares"][0]["is_new_customer"]
    assert refused(await fair.desk("GET", f"/{uuid4()}")) == (404, "gifting.gift_not_found")
    assert (await fair.desk("POST", f"/{uuid4()}/ask-again")).status_code == 404


async def test_settings_are_kept_and_told(shop_fair: Fair) -> None:
    fair = shop_fair
    body = {"is_enabled": True, "cap_fen": 5_000, "max_shares": 2, "allows_cancel": True}
    assert ok(await fair.desk("PUT", "/settings", body)) == body
    assert ok(await fair.desk("PUT", "/settings", body)) == body
    assert ok(await fair.desk("GET", "/settings")) == body
    assert (await fair.desk("PUT", "/settings", body | {"cap_fen": 1_000_001})).status_code == 422
    changed = "select count(*) from kernel.audit where action = 'gifting.settings_changed'"
    assert await fair.value(changed) == 1


async def staff_refund(fair: Fair, order_id: UUID, pieces: int, amount_fen: int) -> UUID:
    refund_id = uuid4()
    async with transaction(fair.shop) as tx:
        await ordering.refund(
            tx,
            order_id=order_id,
            refund_id=refund_id,
            lines=[RefundLine(1, pieces, amount_fen)],
            shipping_fen=0,
            reason="线下",
            restock=pieces > 0,
            actor=System(),
        )
    return refund_id


async def test_what_staff_give_back_cannot_be_accepted(shop_fair: Fair) -> None:
    fair = shop_fair
    gift = await fair.give(3)
    order_id = UUID(gift["order_id"])
    await staff_refund(fair, order_id, 0, 100)  # goodwill: no piece of it
    refund_id = await staff_refund(fair, order_id, 1, TEA)
    await fair.news()
    assert await fair.states(gift) == ["waiting", "waiting", "refund_pending"]
    await fair.money()
    after = await fair.given(gift)
    assert [one["state"] for one in after["shares"]] == ["waiting", "waiting", "refunded"]
    assert after["shares"][2]["ended_by"] == "staff"
    await fair.later(hours=25)
    await fair.money()
    assert await fair.states(gift) == ["refunded"] * 3
    back = "select sum(amount_fen) from payments.refunds where state = 'succeeded'"
    assert await fair.value(back) == 3 * TEA
    async with transaction(fair.shop) as tx:  # told again, nothing happens
        await service.finish_refund(tx, order_id, refund_id, TEA)
        await service.ask_refund(tx, refund_id)
        await service.ask_refund(tx, uuid4())
        for verb in (service.note_refund_started, service.close_gift):
            await verb(tx, uuid4())
        await service.finish_refund(tx, uuid4(), refund_id, TEA)
        await service.renew_refund(tx, uuid4(), refund_id)


async def test_staff_were_faster_with_all_of_it(shop_fair: Fair) -> None:
    """All money is given back while our refund waits to be asked for: then nothing is owed."""
    fair = shop_fair
    gift = await fair.give(1)
    async with transaction(fair.shop) as tx:
        locked = await returning.queries.lock_gift(tx, UUID(gift["gift_id"]))
        assert locked is not None
        await returning.take_back(tx, locked, returning.EndedBy.GIVER)
    await staff_refund(fair, UUID(gift["order_id"]), 1, TEA)
    await fair.money()
    await fair.later(seconds=1)
    assert await fair.states(gift) == ["refunded"]
    assert await fair.value("select amount_fen from gifting.refunds") == 0
    assert await fair.value("select sum(amount_fen) from payments.refunds") == TEA


async def test_a_refund_before_the_gift_was_heard_of(shop_fair: Fair) -> None:
    """Staff give all back in the moment between payment and opening."""
    fair = shop_fair
    gift = await fair.give(1)
    order_id = UUID(gift["order_id"])
    async with transaction(fair.shop) as tx:  # as it stood before the reaction ran
        await tx.run("delete from gifting.shares")
        await tx.run(
            "update gifting.gifts set standing = 'unpaid', paid_at = null, accept_before = null"
        )
    await staff_refund(fair, order_id, 1, TEA)
    await fair.money()
    async with transaction(fair.shop) as tx:
        await service.note_refund_started(tx, order_id)
        await service.open_gift(tx, order_id, await tx.value("select now()"))
    assert await fair.states(gift) == ["refunded"]
    assert refused(await fair.accept(await fair.person(), gift)) == (409, "gifting.expired")


async def test_the_giver_asks_for_nothing_after_the_sale(shop_fair: Fair) -> None:
    fair = shop_fair
    gift = await fair.give(1)
    path = f"/orders/{gift['order_id']}/after-sale"
    assert ok(await fair.anna.send("GET", path))["kinds"] == []
    body = {
        "kind": "refund_only", "reason": "not_wanted", "lines": [{"line_no": 1, "quantity": 1}],
    }  # fmt: skip
    answer = await fair.anna.send("POST", path, body)
    assert (refused(answer), why(answer)) == ((409, "after_sale.not_eligible"), "gift")
