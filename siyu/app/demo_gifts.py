"""Gifts of the demo: what may be given, a festival to come, and gifts that stand everywhere on
their way. All through the shop's own API, voices included.
"""

import asyncio
import math
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from siyu.app.demo_customers import Customer
from siyu.sandbox.client import SandboxClient

MARKED = 24
DEAREST_FEN = 60_000
QUESTION = "这周出差，可以周末再送吗？"
_GIFTS = (
    # (kit, theme, count, scene, blessing, how many accept, with a voice)
    ("birthday", "birthday", 1, "home", "生日快乐！愿你每天都有好茶喝。", 1, True),
    ("spring-festival", "spring", 3, "hall_share", "新春快乐，阖家安康！", 2, False),
    ("thanks", "thanks", 1, "article", "谢谢你一直以来的照顾。", 0, False),
    ("new-year-box", "spring", 4, "group", "年货替你备好了，记得查收。", 4, False),
    (None, "plain", 1, None, "路过茶店，想起你。", 1, True),
)


async def mark_goods(ask: Callable[..., Awaitable[Any]]) -> None:
    """The best sellers that are sent and not too dear; once. ask: a request of the console."""
    if (await ask("GET", "/gifts/products"))["items"]:
        return
    rows = (await ask("GET", "/products?status=on_shelf&limit=100"))["items"]
    fitting = [row for row in rows if row["kind"] == "physical" and row["price_fen"] <= DEAREST_FEN]
    for row in sorted(fitting, key=lambda row: -row["sold_count"])[:MARKED]:
        await ask("PUT", f"/gifts/products/{row['product_id']}")


async def give_some(
    http: httpx.AsyncClient, sandbox: SandboxClient, givers: list[Customer]
) -> None:
    """One gift of each kind: accepted, half accepted, waiting, taken back, not paid."""
    goods = (await givers[0].call(http, "GET", "/shop/v1/gifts/goods"))["items"]
    for number, (kit, theme, count, scene, words, taken, speaks) in enumerate(_GIFTS):
        giver = givers[number % len(givers)]
        body = {
            "count": count,
            "kind": "friend" if count == 1 else "group",
            "kit": kit,
            "theme": theme,
            "scene": scene,
            "blessing": words,
        }
        gift = await _give(giver, http, sandbox, goods[number % len(goods)], body, speaks=speaks)
        others = [one for one in givers if one is not giver]
        for receiver in others[:taken]:
            share = await _accept(receiver, http, gift, scene or "friend")
            if speaks:
                path = f"/shop/v1/gifts/received/{share['share_id']}/messages"
                await receiver.call(http, "POST", path, {"text": QUESTION})
        if taken == count - 1:
            await giver.call(http, "POST", f"/shop/v1/gifts/given/{gift['gift_id']}/cancel")
    body = {"count": 1, "kind": "friend", "theme": "plain", "blessing": "还在挑，先放着。"}
    await _place(givers[-1], http, goods[0], body)


async def _give(
    giver: Customer,
    http: httpx.AsyncClient,
    sandbox: SandboxClient,
    good: dict[str, Any],
    body: dict[str, Any],
    *,
    speaks: bool,
) -> dict[str, Any]:
    if speaks:
        voice = await giver.call(http, "POST", "/shop/v1/gifts/voices", hummed())
        body = body | {"voice_id": voice["voice_id"]}
    gift = await _place(giver, http, good, body)
    await giver.pay(http, sandbox, f"/shop/v1/orders/{gift['order_id']}", "success")
    path = f"/shop/v1/gifts/given/{gift['gift_id']}"
    for _ in range(480):  # the gift opens a moment after the payment is known
        gift = await giver.call(http, "GET", path)
        if gift["standing"] == "paid":
            break
        await asyncio.sleep(0.25)
    return dict(gift)


async def _place(
    giver: Customer, http: httpx.AsyncClient, good: dict[str, Any], body: dict[str, Any]
) -> dict[str, Any]:
    product = await giver.call(http, "GET", f"/shop/v1/products/{good['product_id']}")
    sku = next(one for one in product["skus"] if one["available"] >= body["count"])
    asked = {"sku_id": sku["sku_id"], "count": body["count"], "kind": body["kind"]}
    quote = await giver.call(http, "POST", "/shop/v1/gifts/quote", asked)
    confirmed = {"expected_total_fen": quote["total_fen"], "platform": "mp-weixin"}
    return dict(await giver.call(http, "POST", "/shop/v1/gifts", body | asked | confirmed))


async def _accept(
    receiver: Customer, http: httpx.AsyncClient, gift: dict[str, Any], scene: str
) -> dict[str, Any]:
    link = f"/shop/v1/gifts/links/{gift['link_key']}"
    await receiver.call(http, "POST", f"{link}/open", {"scene": scene})
    address_id = await receiver.address(http)
    return dict(await receiver.call(http, "POST", f"{link}/accept", {"address_id": address_id}))


def hummed(seconds: float = 3.0) -> bytes:
    """A recording as a phone makes it, in AAC frames of silence: the demo speaks for nobody."""
    rate, samples = 16_000, 1024
    # One frame: ADTS head (LC, 16 kHz, mono), and a raw block that ends at once.
    payload = b"\x01\x18\x20\x07"
    length = 7 + len(payload)
    head = struct.pack(
        ">7B",
        0xFF,
        0xF1,
        1 << 6 | 8 << 2,
        1 << 6 | length >> 11,
        length >> 3 & 0xFF,
        (length & 7) << 5 | 0x1F,
        0xFC,
    )
    return (head + payload) * math.ceil(seconds * rate / samples)
