"""Evidence: what may be uploaded, who sees it, what becomes of the rest; and the talk about it."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from siyu.commerce.after_sale import background, service
from siyu.kernel import config
from siyu.kernel.auth import MemberIdentity, member_token
from tests.commerce.after_sale.kit import (
    PARCEL,
    Sale,
    events,
    ok,
    other_customer,
    refused,
    selling,
)
from tests.commerce.catalog.pictures import SVG, bomb, photo, png
from tests.commerce.ordering.kit import make_skus
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def sale(market: Market) -> AsyncIterator[Sale]:
    async with selling(market) as sale:
        yield sale
        assert await sale.broken() == []


@pytest.fixture
async def order(sale: Sale) -> dict[str, Any]:
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 2}, 3980)
    await sale.ship(order)
    return order


async def look(sale: Sale, member: MemberIdentity, picture: str, **query: Any) -> httpx.Response:
    return await sale.http.get(
        f"/shop/v1/after-sale/pictures/{picture}",
        params=query,
        headers={"Authorization": f"Bearer {member_token(member)}"},
    )


async def look_as_staff(sale: Sale, picture: str, **query: Any) -> httpx.Response:
    return await sale.http.get(f"/admin/v1/after-sale/pictures/{picture}", params=query)


async def test_a_picture_is_re_encoded_and_seen_by_two(sale: Sale, order: dict[str, Any]):
    upload = await sale.picture(photo(1600, 900))
    made = ok(upload)
    assert (made["width"], made["height"]) == (675, 1200), "turned upright, without its EXIF"
    picture = made["picture_id"]
    assert (await look(sale, sale.anna.member, picture)).status_code == 200
    waiting = await look_as_staff(sale, picture)
    assert refused(waiting) == (404, "after_sale.picture_not_found")

    case = await sale.open(order, "refund_only", "damaged", picture_ids=[picture])
    assert case["pictures"] == [made]
    assert ok(await sale.act(case, "messages", {"text": "收到"}))["pictures"] == [made]
    for answer in (await look(sale, sale.anna.member, picture), await look_as_staff(sale, picture)):
        assert answer.headers["content-type"] == "image/webp"
        assert answer.headers["cache-control"].startswith("private")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        with Image.open(io.BytesIO(answer.content)) as image:
            assert (image.format, image.size) == ("WEBP", (675, 1200))
            assert not image.getexif()
    small = await look(sale, sale.anna.member, picture, size=200)
    with Image.open(io.BytesIO(small.content)) as image:
        assert max(image.size) == 200
    for size in (201, 0, -1):
        answer = await look(sale, sale.anna.member, picture, size=size)
        assert refused(answer) == (404, "after_sale.picture_not_found")


async def test_F081_nobody_else_sees_or_uses_it(sale: Sale, order: dict[str, Any]):
    bert = await other_customer(sale)
    mine = await sale.evidence()
    answer = await look(sale, bert.member, mine)
    assert refused(answer) == (404, "after_sale.picture_not_found")
    assert (await sale.http.get(f"/shop/v1/after-sale/pictures/{mine}")).status_code == 401

    bert_sale = Sale(sale.market, bert, sale.http)
    theirs = await bert_sale.evidence()
    answer = await sale.ask(order, "refund_only", "damaged", picture_ids=[theirs])
    assert refused(answer) == (404, "after_sale.picture_not_found")
    assert await sale.value("select count(*) from after_sale.cases") == 0
    answer = await sale.ask(order, "refund_only", "damaged", picture_ids=[str(uuid4())])
    assert refused(answer) == (404, "after_sale.picture_not_found")

    case = await sale.open(order, "refund_only", "damaged", lines={1: 1}, picture_ids=[mine])
    answer = await sale.ask(order, "refund_only", "damaged", lines={1: 1}, picture_ids=[mine])
    assert refused(answer) == (404, "after_sale.picture_not_found"), "used in the other case"
    assert [one["picture_id"] for one in case["pictures"]] == [mine]


@pytest.mark.parametrize(
    "raw", [SVG, b"", b"GIF89a<script>", png(40, 30)[:60], bomb(20_000, 20_000)]
)
async def test_F072_what_is_no_picture_is_refused(sale: Sale, raw: bytes):
    answer = await sale.picture(raw)
    # An empty file never reaches the picture code: it is no body at all.
    assert answer.status_code == 422, answer.text
    assert await sale.value("select count(*) from after_sale.pictures") == 0
    assert list(config.settings().data_dir.glob("evidence/**/*.webp")) == []


async def test_F072_a_name_with_a_path_changes_nothing(sale: Sale):
    picture = await sale.evidence()  # the kit uploads it as ../../x.png
    files = sorted(config.settings().data_dir.rglob("*.webp"))
    folder = config.settings().data_dir / "evidence" / str(sale.shop)
    assert [path.parent for path in files] == [folder, folder]
    assert {path.name for path in files} == {f"{picture}-1200.webp", f"{picture}-200.webp"}
    assert not any(Path(config.settings().media_dir).rglob("*"))


async def test_nine_in_a_case_and_thirty_that_wait(sale: Sale, order: dict[str, Any]):
    first = [await sale.evidence() for _ in range(5)]
    case = await sale.open(order, "refund_only", "quality", picture_ids=first)
    five = [await sale.evidence() for _ in range(5)]
    answer = await sale.do(case, "messages", {"text": "还有", "picture_ids": five})
    assert refused(answer) == (409, "after_sale.too_many_pictures")
    assert answer.json()["error"]["details"] == {"limit": 9}
    shown = ok(await sale.do(case, "messages", {"text": "还有", "picture_ids": five[:4]}))
    assert [one["picture_id"] for one in shown["pictures"]] == first + five[:4]
    many = {"text": "还有", "picture_ids": [str(uuid4()) for _ in range(10)]}
    assert (await sale.do(case, "messages", many)).status_code == 422

    for _ in range(29):
        await sale.evidence()
    answer = await sale.picture()
    assert refused(answer) == (409, "after_sale.too_many_pictures")


async def test_what_came_into_no_case_is_thrown_away(sale: Sale, order: dict[str, Any]):
    used, unused = await sale.evidence(), await sale.evidence()
    await sale.open(order, "refund_only", "quality", picture_ids=[used])
    await background.forget_pictures()
    assert (await look(sale, sale.anna.member, unused)).status_code == 200
    await sale.later(hours=25)
    await background.forget_pictures()
    left = {path.name for path in config.settings().data_dir.glob("evidence/**/*.webp")}
    assert left == {f"{used}-1200.webp", f"{used}-200.webp"}
    answer = await look(sale, sale.anna.member, unused)
    assert refused(answer) == (404, "after_sale.picture_not_found")
    assert (await look(sale, sale.anna.member, used)).status_code == 200


async def test_a_file_that_is_gone_is_not_found(sale: Sale):
    picture = await sale.evidence()
    service.drop_files(sale.shop, picture)  # type: ignore[arg-type]
    service.drop_files(sale.shop, picture)  # type: ignore[arg-type]
    answer = await look(sale, sale.anna.member, picture)
    assert refused(answer) == (404, "after_sale.picture_not_found")


# --- the talk ---------------------------------------------------------------------------------


async def test_messages_are_read_by_both_and_notes_by_staff(sale: Sale, order: dict[str, Any]):
    case = await sale.open(order, "return_refund")
    ok(await sale.act(case, "messages", {"text": "请问尺寸偏大还是偏小？"}))
    ok(await sale.act(case, "messages", {"text": "老客户，优先处理", "is_note": True}))
    shown = ok(await sale.do(case, "messages", {"text": "偏大"}))
    assert [(one["event"], one["side"], one["text"]) for one in shown["timeline"]] == [
        ("open", "customer", ""),
        ("message", "staff", "请问尺寸偏大还是偏小？"),
        ("message", "customer", "偏大"),
    ]
    staff = await sale.desk(f"/{case['case_id']}")
    assert [one["event"] for one in staff["timeline"]] == ["open", "message", "note", "message"]
    assert staff["timeline"][2]["actor"] == "boss"
    assert "老客户" not in (await sale.anna.send("GET", f"/after-sale/{case['case_id']}")).text


async def test_a_closed_case_is_silent_for_the_customer(sale: Sale, order: dict[str, Any]):
    case = await sale.open(order, "return_refund")
    ok(await sale.do(case, "withdraw"))
    answer = await sale.do(case, "messages", {"text": "等等"})
    assert refused(answer) == (409, "after_sale.move_refused")
    ok(await sale.act(case, "messages", {"text": "顾客已电话说明", "is_note": True}))
    assert events(await sale.see(case)) == ["open", "withdraw"]


async def test_F077_another_customer_reaches_nothing(sale: Sale, order: dict[str, Any]):
    case = await sale.open(order, "return_refund")
    bert = Sale(sale.market, await other_customer(sale), sale.http)
    for what, body in [("withdraw", None), ("ship-back", PARCEL), ("messages", {"text": "嗨"})]:
        assert refused(await bert.do(case, what, body)) == (404, "after_sale.case_not_found")
    answer = await bert.anna.send("GET", f"/after-sale/{case['case_id']}")
    assert refused(answer) == (404, "after_sale.case_not_found")
    answer = await bert.ask(order, "return_refund")
    assert refused(answer) == (404, "ordering.order_not_found")
    answer = await bert.anna.send("GET", f"/orders/{order['order_id']}/after-sale")
    assert refused(answer) == (404, "ordering.order_not_found")
    assert ok(await bert.anna.send("GET", "/after-sale"))["items"] == []
    assert (await sale.see(case))["state"] == "requested"
