"""The proof: even books and kept truths in one line, or what is wrong, with its count."""

import json
import re

import asyncpg
import pytest

from siyu.app import prove, prove_text
from siyu.kernel.db import Database, reading, transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.postgres import Cluster
from siyu.merchant.shops.contracts import ShopNotFound
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from tests.commerce.ordering import kit


async def code_of(shop: ShopId) -> str:
    async with reading(shop) as tx:
        return str(await tx.value("select code from shops.shops where shop_id = $1", shop))


async def book(shop: ShopId, number: int, kind: str, *legs: Leg, order: str | None = None) -> None:
    async with transaction(shop) as tx:
        order_id = order and await tx.value(
            "select order_id from ordering.orders where order_no = $1", order
        )
        await ledger.post(tx, Entry(f"{kind}:{number}", kind, list(legs), order_id))


async def test_an_empty_shop_is_balanced(shop: ShopId) -> None:
    (proof,) = await prove.prove(await code_of(shop))
    assert proof.line == "balanced, 0 violations"
    assert proof.trial_balance is not None and proof.trial_balance.lines == []
    assert {check.state for check in proof.checks} == {"ok"}
    assert prove_text.render([proof]).splitlines()[-1] == "balanced, 0 violations"


async def test_the_story_of_an_order_is_told(shop: ShopId) -> None:
    (sku,) = await kit.make_skus(shop)
    async with kit.shopper(shop) as customer:
        order_no = (await customer.order({sku: 1}, 1990))["order_no"]
    await book(shop, 1, "opening", Leg(Book.PETTY, 500), Leg(Book.OPENING, -500))
    await book(shop, 2, "refund_lost", Leg(Book.LOSSES, 300), Leg(Book.PETTY, -300), order=order_no)
    (proof,) = await prove.prove(await code_of(shop), order_no, "en")
    assert proof.line == "balanced, 0 violations"
    assert proof.story is not None and proof.story.order_no == order_no
    text = prove_text.render([proof])
    assert "[Refund paid twice] WeChat paid ¥3.00 for a refund that was already settled" in text
    assert "      Dr Losses ¥3.00\n      Cr Cash outside WeChat ¥3.00" in text
    assert text.endswith("\nbalanced, 0 violations")
    document = json.loads(prove_text.as_json([proof]))
    assert (document["line"], document["violations"]) == ("balanced, 0 violations", 0)
    assert document["proofs"][0]["story"]["sentences"][0]["kind"] == "refund_lost"


async def test_what_is_not_there_is_said(shop: ShopId) -> None:
    with pytest.raises(ShopNotFound):
        await prove.prove("no-such-shop")
    with pytest.raises(prove.OrderUnknown):
        await prove.prove(await code_of(shop), "123")


async def test_books_that_were_tampered_with_are_found(
    shop: ShopId, database: Database, cluster: Cluster
) -> None:
    """Somebody with the owner's password has switched a trigger off and moved a balance."""
    await book(shop, 1, "opening", Leg(Book.PETTY, 500), Leg(Book.OPENING, -500))
    async with transaction(shop) as tx:
        await tx.run("delete from ledger.deltas where shop_id = $1", shop)
    owner = await asyncpg.connect(
        cluster.owner_url(await database.pool.fetchval("select current_database()"))
    )
    switch = "alter table ledger.accounts {} trigger accounts_follow"
    move = "update ledger.accounts set posted = posted + $2 where shop_id = $1 and book = 'petty'"
    await owner.execute(switch.format("disable"))
    await owner.execute(move, shop, 1)
    (proof,) = await prove.prove(await code_of(shop))
    every = await prove.prove()
    await owner.execute(move, shop, -1)
    await owner.execute(switch.format("enable always"))
    await owner.close()

    assert proof.line == (
        "not balanced: CNY is off by 1; ledger: an account is the sum of its legs (1); 2 violations"
    )
    assert (proof.violations, proof.is_balanced) == (2, False)
    assert every[0].shop is None and every[0].trial_balance is None
    code = await code_of(shop)
    assert f"{code}: {proof.line}" in prove.summary(every)
    text = prove_text.render(every)
    assert "✗ ledger: an account is the sum of its legs (1)" in text
    assert re.search(r"; [1-9]\d* violations$", text)
