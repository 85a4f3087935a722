"""Tables in and out: products, stock, orders; every refused line told, nothing twice or half."""

import asyncio
import contextvars
import io
import re
import zipfile
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import openpyxl
import pytest

from siyu.commerce.bulk import background, queries, rules
from siyu.commerce.bulk import service as bulk
from siyu.commerce.bulk.contracts import Task
from siyu.commerce.bulk.service import running
from siyu.commerce.catalog import service as catalog
from siyu.commerce.inventory import service as inventory
from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import ExportLimit
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.errors import Busy
from siyu.kernel.ids import ShopId
from tests.commerce.bulk.kit import (
    Clerk,
    at_work,
    book,
    colour,
    counts,
    ok,
    read_table,
    refused,
    table,
    zipped,
)
from tests.commerce.catalog.pictures import SVG
from tests.compliance.approvals.test_service import colleagues

HEADER = [
    "商品名称",
    "商家编码",
    "售价",
    "规格",
    "会员价",
    "期初库存",
    "图片",
    "上架",
    "分类",
    "标签",
]
ENGLISH = {"Accept-Language": "en"}
CHINESE = re.compile("[\u4e00-\u9fff]")
TEA = ["铁观音", "TGY-1", "68.00", "净含量:100克", "62", "20", "", "", "", "新品;春茶"]
MORE = ["", "TGY-2", "¥1,268.5", "净含量:1千克", "", "5", "", "", "", ""]


@pytest.fixture
async def clerk(shop: ShopId) -> AsyncIterator[Clerk]:
    async with at_work(shop) as clerk:
        yield clerk
        assert await clerk.broken() == []


async def product(clerk: Clerk) -> dict[str, Any]:
    """The only product, as it is edited."""
    (row,) = ok(await clerk.http.get("/admin/v1/products"))["items"]
    return ok(await clerk.http.get(f"/admin/v1/products/{row['product_id']}"))


# --- products ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [table, book])
async def test_products_come_in_and_are_known_again(clerk: Clerk, form: Any):
    task = await clerk.take_in("products_in", form(HEADER, TEA, MORE))
    assert (task["state"], counts(task)) == ("done", (2, 0, 0, 0))
    assert (task["total_lines"], task["done_lines"]) == (2, 2)
    made = await product(clerk)
    assert made["title"] == "铁观音" and made["tags"] == ["新品", "春茶"]
    assert made["status"] == "draft" and made["option_names"] == ["净含量"]
    skus = [
        (s["sku_code"], s["price_fen"], s["member_price_fen"], s["on_hand"]) for s in made["skus"]
    ]
    assert skus == [("TGY-1", 6800, 6200, 20), ("TGY-2", 126850, None, 5)]

    again = await clerk.take_in("products_in", form(HEADER, TEA, MORE))
    assert counts(again) == (0, 0, 2, 0)
    assert (await product(clerk))["version"] == made["version"]

    cheaper = ["铁观音 2026", "TGY-2", "99", "", "", "700", "", "", "", ""]
    changed = await clerk.take_in("products_in", form(HEADER, cheaper))
    assert counts(changed) == (0, 1, 0, 0)
    now = await product(clerk)
    assert now["title"] == "铁观音 2026"
    assert [(s["sku_code"], s["price_fen"], s["on_hand"]) for s in now["skus"]] == [
        ("TGY-1", 6800, 20), ("TGY-2", 9900, 5),
    ]  # fmt: skip


async def test_a_new_sku_joins_its_product(clerk: Clerk):
    await clerk.take_in("products_in", table(HEADER, TEA))
    third = ["", "TGY-3", "500", "净含量:500克", "", "3", "", "", "", ""]
    assert counts(await clerk.take_in("products_in", table(HEADER, TEA, third))) == (0, 2, 0, 0)
    assert [s["option_values"] for s in (await product(clerk))["skus"]] == [["100克"], ["500克"]]


async def test_every_refused_line_is_told_with_column_and_reason(clerk: Clerk):
    await clerk.take_in("products_in", table(HEADER, ["旧品", "OLD", "1", *[""] * 7]))
    lines = [
        ["甲", "", "1", *[""] * 7],
        ["乙", "B", "1.234", *[""] * 7],
        ["丙", "C1", "-3", "颜色:红", *[""] * 6],
        ["", "C2", "4", "颜色:白", *[""] * 6],
        ["丁", "D", "1", "", "", "many", *[""] * 4],
        ["戊", "E", "5", "", "9", *[""] * 5],
        ["己", "F", "5", "", "", "", "none.jpg", *[""] * 3],
        ["庚", "G", "5", "", "", "", "", "也许", "", ""],
        ["辛", "H", "5", "", "", "", "", "", "没有的分类", ""],
        ["壬", "I", "5", "", "", "", "", "是", "", ""],
        ["癸", "OLD", "5", *[""] * 7],
        ["", "NEW", "5", "颜色:黑", *[""] * 6],
        ["子", "OK", "2", *[""] * 7],
        ["丑", "OK", "2", *[""] * 7],
        ["寅", "J", "999999999", *[""] * 7],
        ["卯" * 61, "K", "1", *[""] * 7],
    ]
    task = await clerk.take_in("products_in", table(HEADER, *lines))
    assert task["state"] == "done" and counts(task) == (1, 0, 0, 15)
    assert await clerk.refusals(task) == [
        (2, "商家编码", "missing"),
        (3, "售价", "too_precise"),
        (4, "售价", "negative"),
        (5, "商品名称", "with_product"),
        (6, "期初库存", "malformed"),
        (7, "商品名称", "catalog.bad_product"),
        (8, "图片", "picture_missing"),
        (9, "上架", "unknown"),
        (10, "分类", "unknown"),
        (11, "商品名称", "catalog.not_ready_for_shelf"),
        (12, "规格", "options_differ"),
        (13, "商品名称", "with_product"),
        (15, "商家编码", "repeated"),
        (16, "售价", "too_large"),
        (17, "商品名称", "too_long"),
    ]
    answer = await clerk.http.get(f"/admin/v1/bulk/{task['task_id']}/errors")
    errors = read_table(answer.content)
    assert errors[0] == ["行号", "列", "原因", "内容", "原因代码"]
    assert errors[2] == ["3", "售价", "小数位过多", "1.234", "too_precise"]
    answer = await clerk.http.get(f"/admin/v1/bulk/{task['task_id']}/errors", headers=ENGLISH)
    errors = read_table(answer.content)
    assert errors[0] == ["Line", "Column", "Reason", "Content", "Code"]
    assert errors[2] == ["3", "Price", "Too many decimals", "1.234", "too_precise"]
    assert [one for one in errors if one[2] == one[4]] == [], "a word for every reason"
    assert await clerk.value("select count(*) from catalog.products") == 2


async def test_a_dry_run_changes_nothing_and_can_be_made_real(clerk: Clerk):
    bad = ["坏", "BAD", "x", *[""] * 7]
    uploaded = ok(await clerk.upload("products_in", table(HEADER, TEA, MORE, bad)))
    tried = await clerk.run(await clerk.start(uploaded, dry=True))
    assert (tried["state"], tried["is_dry_run"], counts(tried)) == ("done", True, (2, 0, 0, 1))
    assert await clerk.value("select count(*) from catalog.products") == 0
    assert await clerk.value("select count(*) from inventory.movements") == 0
    assert tried["can_start"]
    real = await clerk.run(await clerk.start(uploaded))
    assert counts(real) == (2, 0, 0, 1) and not real["can_start"]
    assert await clerk.refusals(real) == [(4, "售价", "malformed")]
    task_id = uploaded["task"]["task_id"]
    body = {"mapping": uploaded["mapping"], "is_dry_run": False}
    again = await clerk.http.post(f"/admin/v1/bulk/{task_id}/start", json=body)
    assert refused(again)[:2] == (409, "bulk.task_busy")


async def test_columns_are_recognised_shown_and_can_be_mapped(clerk: Clerk):
    raw = table(["货 号", "Preis", "Name", "x"], ["A1", "12", "茶", "y"])
    uploaded = ok(await clerk.upload("products_in", raw))
    assert uploaded["mapping"] == {"sku_code": 0, "title": 2}
    assert uploaded["header"] == ["货 号", "Preis", "Name", "x"]
    assert uploaded["sample"] == [["A1", "12", "茶", "y"]]
    assert uploaded["task"]["file_name"] == "goods.csv"
    path = f"/admin/v1/bulk/{uploaded['task']['task_id']}/start"
    for mapping in ({"sku_code": 0, "title": 2}, {"nonsense": 1}, {"title": 0, "sku_code": 0}):
        answer = await clerk.http.post(path, json={"mapping": mapping, "is_dry_run": True})
        assert refused(answer)[:2] == (422, "bulk.bad_mapping")
    uploaded["mapping"]["price"] = 1
    assert counts(await clerk.run(await clerk.start(uploaded))) == (1, 0, 0, 0)


async def test_pictures_by_zip_and_in_the_book(clerk: Clerk):
    named = ["", "P-1", "1", "", "", "", "a.png; 子/b.png", "是", "", ""]
    pack = zipped({"图/A.PNG": colour(1), "子/b.png": colour(2), "读我.txt": b"x"})
    task = await clerk.take_in("products_in", table(HEADER, ["有图", *named[1:]]), pictures=pack)
    assert counts(task) == (1, 0, 0, 0), await clerk.refusals(task)
    made = await product(clerk)
    assert len(made["images"]) == 2 and made["status"] == "on_shelf"

    rows = [HEADER, ["有图", "P-1", 1, *[""] * 7], ["无图", "P-2", 2, *[""] * 7]]
    placed = book(*rows, pictures={"K2": colour(3), "L2": colour(4), "M2": colour(5)})
    task = await clerk.take_in("products_in", placed)
    assert counts(task) == (1, 1, 0, 0), await clerk.refusals(task)
    shown = {p["title"]: p for p in ok(await clerk.http.get("/admin/v1/products"))["items"]}
    first = await clerk.http.get(f"/admin/v1/products/{shown['有图']['product_id']}")
    assert len(first.json()["images"]) == 3
    assert shown["无图"]["image_url"] is None


async def test_F072_a_picture_that_is_none_refuses_its_product(clerk: Clerk):
    row = ["坏图", "P-1", "1", "", "", "", "x.png", "", "", ""]
    task = await clerk.take_in("products_in", table(HEADER, row), pictures=zipped({"x.png": SVG}))
    assert await clerk.refusals(task) == [(2, "图片", "picture_refused")]
    assert await clerk.value("select count(*) from catalog.products") == 0


async def test_what_is_exported_comes_back_as_it_was(clerk: Clerk):
    await clerk.take_in("products_in", table(HEADER, ["=1+1", *TEA[1:]], MORE))
    for form in ("csv", "xlsx"):
        raw = await clerk.export("products_out", form)
        if form == "csv":
            rows = read_table(raw)
            assert rows[1][0] == "'=1+1", "F069"
            assert rows[1][2] == "68.00" and rows[2][3] == "净含量:1千克"
        assert counts(await clerk.take_in("products_in", raw)) == (0, 0, 2, 0)
    assert (await product(clerk))["title"] == "=1+1"


async def test_an_english_table_comes_back_as_it_was(clerk: Clerk):
    shelf = [["铁观音", *TEA[1:-3], "否", "", ""], ["卡", "CARD", "9", *[""] * 7]]
    await clerk.take_in("products_in", table(HEADER, *shelf))
    raw = await clerk.export("products_out", headers=ENGLISH)
    rows = read_table(raw)
    assert not CHINESE.search("".join(rows[0]))
    tea = dict(zip(rows[0], rows[2], strict=True))
    assert (tea["Kind"], tea["On shelf"], tea["Title*"]) == ("Physical", "No", "铁观音")
    assert counts(await clerk.take_in("products_in", raw)) == (0, 0, 2, 0)
    assert counts(await clerk.take_in("products_in", raw.replace(b"Physical", b"Virtual"))) == (
        0, 2, 0, 0,
    )  # fmt: skip
    again = read_table(await clerk.export("products_out"))
    assert {row[again[0].index("类型")] for row in again[1:]} == {"虚拟"}
    counted = read_table(await clerk.export("stock_out", headers=ENGLISH))
    assert not CHINESE.search("".join(counted[0]))
    assert counts(await clerk.take_in("stock_in", table(*counted))) == (0, 0, 2, 0)
    counted[1][counted[0].index("Counted*")] = "3"
    assert counts(await clerk.take_in("stock_in", table(*counted))) == (0, 1, 1, 0)


@pytest.mark.parametrize("headers", [{}, ENGLISH])
async def test_templates_can_be_taken_in(clerk: Clerk, headers: dict[str, str]):
    for kind in rules.FIELDS:
        for form in ("xlsx", "csv"):
            path = f"/admin/v1/bulk/template?kind={kind.value}&format={form}"
            answer = await clerk.http.get(path, headers=headers)
            assert answer.status_code == 200
            if headers and form == "csv":
                assert not CHINESE.search(answer.text)
            uploaded = ok(await clerk.upload(kind.value, answer.content))
            assert set(uploaded["mapping"]) == {field.name for field in rules.FIELDS[kind]}
    assert (await clerk.http.get("/admin/v1/bulk/template?kind=stock_out")).status_code == 404


# --- stock ------------------------------------------------------------------------------------


async def test_counts_move_stock_by_their_difference(clerk: Clerk, shop: ShopId):
    await clerk.take_in("products_in", table(HEADER, TEA, MORE))
    rows = read_table(await clerk.export("stock_out"))
    by_code = {row[0]: row for row in rows[1:]}
    by_code["TGY-1"][3] = "18"
    async with running.transaction(shop) as tx:  # three are sold while somebody counts
        await tx.run("update inventory.stock set on_hand = on_hand - 3 where on_hand = 20")
        await tx.run(
            """insert into inventory.movements (shop_id, sku_id, movement_id, kind, delta,
                 actor_name, reason, moved_at, warehouse_id)
               select shop_id, sku_id, gen_random_uuid(), 'sold', -3, 'x', '', now(), warehouse_id
               from inventory.stock where on_hand = 17"""
        )
    task = await clerk.take_in("stock_in", table(*rows))
    assert counts(task) == (0, 1, 1, 0), await clerk.refusals(task)
    on_hand = await clerk.value(
        """select on_hand from inventory.stock join catalog.skus using (shop_id, sku_id)
           where sku_code = 'TGY-1'"""
    )
    assert on_hand == 15, "20 - 3 sold - 2 missing"

    again = await clerk.take_in("stock_in", table(*rows))
    assert (2 if by_code["TGY-1"] is rows[1] else 3, "版本", "inventory.stock_changed") in (
        await clerk.refusals(again)
    )
    assert counts(again) == (0, 0, 1, 1)


async def test_stock_is_counted_and_written_where_it_lies(clerk: Clerk, shop: ShopId):
    await clerk.take_in("products_in", table(HEADER, TEA))
    async with running.transaction(shop) as tx:
        other = await inventory.create_warehouse(tx, System(), name="分仓", priority=2)
    there = {"warehouse_id": str(other.warehouse_id)}
    rows = read_table(await clerk.export("stock_out", **there))
    assert rows[1][1] == "0", "the goods lie in the first warehouse"
    rows[1][3] = "7"
    task = await clerk.take_in("stock_in", table(*rows), **there)
    assert (counts(task), task["warehouse_id"]) == ((0, 1, 0, 0), there["warehouse_id"])
    assert read_table(await clerk.export("stock_out", **there))[1][1] == "7"
    assert read_table(await clerk.export("stock_out"))[1][1] == "20"
    uploaded = ok(await clerk.upload("stock_in", table(*rows)))
    body = {"mapping": uploaded["mapping"], "is_dry_run": False, "warehouse_id": str(uuid4())}
    path = f"/admin/v1/bulk/{uploaded['task']['task_id']}/start"
    answer = await clerk.http.post(path, json=body)
    assert refused(answer)[:2] == (404, "inventory.warehouse_not_found")


async def test_F045_a_count_that_is_too_old_is_shown_as_a_conflict(clerk: Clerk):
    await clerk.take_in("products_in", table(HEADER, TEA))
    header = ["商家编码", "账面数量", "版本", "盘点数量"]
    version = int(read_table(await clerk.export("stock_out"))[1][2])
    lines = [
        ["TGY-1", 20, version + 1, 10], ["NO", 1, 1, 1], ["TGY-1", 20, version, 20],
        ["X", "", 1, 1], ["Y", 1, "", 1], ["Z", 1, 1, "1.5"],
    ]  # fmt: skip
    task = await clerk.take_in("stock_in", table(header, *lines))
    assert sorted(await clerk.refusals(task)) == [
        (2, "版本", "inventory.stock_changed"),
        (3, "商家编码", "unknown"),
        (4, "商家编码", "repeated"),
        (5, "账面数量", "missing"),
        (6, "版本", "version_missing"),
        (7, "盘点数量", "malformed"),
    ]
    assert await clerk.value("select sum(on_hand) from inventory.stock") == 20


# --- orders -----------------------------------------------------------------------------------


async def test_orders_come_in_by_upload_and_are_known_again(clerk: Clerk):
    header = ["客户", "下单时间", "商品编码", "数量", "单价", "订单号"]
    lines = [
        ["C1", "2026-01-02 10:00", "TEA", "2", "10.00", "A-1"],
        ["C1", "2026-01-02 10:00", "CUP", "1", "5", "A-1"],
        ["C2", "gestern", "TEA", "1", "10", "A-2"],
    ]
    dry = await clerk.take_in("orders_in", table(header, *lines), dry=True)
    assert counts(dry) == (2, 0, 0, 1)
    assert await clerk.value("select count(*) from ordering.orders") == 0
    task = await clerk.take_in("orders_in", table(header, *lines), source="youzan")
    assert counts(task) == (2, 0, 0, 1)
    assert await clerk.refusals(task) == [(4, "", "time_malformed")]
    again = await clerk.take_in("orders_in", table(header, *lines), source="youzan")
    assert counts(again) == (0, 0, 2, 1)
    assert await clerk.value("select count(*) from ordering.orders") == 1
    assert await clerk.value("select count(*) from reviews.reviews") == 0
    exported = read_table(await clerk.export("orders_out"))
    assert len(exported) == 3 and exported[1][2] == "youzan"
    opened = openpyxl.load_workbook(io.BytesIO(await clerk.export("orders_out", "xlsx")))
    assert len(list(opened.active.rows)) == 3


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, ("销售", "退货", "已完成", "已取消")),
        (ENGLISH, ("Sale", "Return", "Completed", "Cancelled")),
    ],
)
async def test_orders_that_went_out_in_words_come_in_again(
    clerk: Clerk, headers: dict[str, str], words: tuple[str, ...]
):
    """A return stays one, and what was never sold does not become a sale: as columns that nobody
    mapped, both would (the control)."""
    header = ["客户", "下单时间", "商品编码", "数量", "单价", "订单号"]
    lines = [
        ["C1", "2026-01-02 10:00", "TEA", "2", "10.00", "A-1"],
        ["C1", "2026-01-03 10:00", "TEA", "-1", "10.00", "A-2"],
        ["C2", "2026-01-04 10:00", "CUP", "1", "5.00", "A-3"],
    ]
    await clerk.take_in("orders_in", table(header, *lines), source="youzan")
    raw = await clerk.export("orders_out", headers=headers)
    rows = read_table(raw)
    sale, back, done, cancelled = words
    assert sorted(row[1] for row in rows[1:]) == sorted([sale, sale, back])
    assert {row[3] for row in rows[1:]} == {done}
    assert bool(headers) is not bool(CHINESE.search("".join(rows[0])))
    rows[1][3] = cancelled
    task = await clerk.take_in("orders_in", table(*rows), source="copy")
    assert counts(task) == (2, 0, 0, 1)
    assert [reason for _, _, reason in await clerk.refusals(task)] == ["not_sold"]
    kinds = "select array_agg(kind order by kind) from ordering.orders where source = 'copy'"
    assert await clerk.value(kinds) == ["return", "sale"]
    uploaded = ok(await clerk.upload("orders_in", table(*rows)))
    for field in ("kind", "status"):
        del uploaded["mapping"][field]
    assert counts(await clerk.run(await clerk.start(uploaded, source="blind"))) == (3, 0, 0, 0)
    assert await clerk.value(kinds.replace("copy", "blind")) == ["sale", "sale", "sale"]


# --- runs -------------------------------------------------------------------------------------


def many(count: int) -> bytes:
    return table(HEADER, *[[f"茶{n}", f"T{n}", "1", "", "", "2", *[""] * 4] for n in range(count)])


async def test_a_killed_worker_leaves_nothing_half_and_does_nothing_twice(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
):
    """The commit of the third chunk is cut off; the next worker goes on behind the second."""
    uploaded = ok(await clerk.upload("products_in", many(90)))
    task = await clerk.start(uploaded)
    move, moved = queries.move_cursor, []

    async def cut(tx: Tx, task: Task, *args: Any) -> bool:
        moved.append(args)
        if len(moved) == 3:
            raise ConnectionError("killed")
        return await move(tx, task, *args)

    monkeypatch.setattr(queries, "move_cursor", cut)
    with pytest.raises(Busy):
        await clerk.run(task)
    halfway = ok(await clerk.http.get(f"/admin/v1/bulk/{task['task_id']}"))
    assert (halfway["state"], halfway["done_lines"]) == ("running", 50)
    assert await clerk.value("select count(*) from catalog.products") == 50
    done = await clerk.run(task)
    assert counts(done) == (90, 0, 0, 0) and done["done_lines"] == 90
    assert await clerk.value("select count(*) from catalog.products") == 90
    assert await clerk.value("select sum(on_hand) from inventory.stock") == 180


async def test_two_workers_do_each_line_once(clerk: Clerk):
    task = await clerk.start(ok(await clerk.upload("products_in", many(60))))
    await asyncio.gather(*(clerk.run(task) for _ in range(3)), return_exceptions=True)
    done = await clerk.run(task)
    assert (done["state"], counts(done)) == ("done", (60, 0, 0, 0))
    assert await clerk.value("select count(*) from catalog.products") == 60


async def test_two_workers_without_the_place_do_lines_twice(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
):
    """The control: with the condition off, both count every line."""

    async def always(tx: Tx, task: Task, cursor: int, to_line: int, lines: int, *_: Any) -> bool:
        await tx.run("update bulk.tasks set done_lines = done_lines + $1", lines)
        return True

    gate, take = asyncio.Barrier(2), running._take_lines

    async def together(shop: ShopId, task: Task) -> None:
        await gate.wait()  # neither is over before the other has begun
        await take(shop, task)

    monkeypatch.setattr(queries, "move_cursor", always)
    monkeypatch.setattr(running, "_take_lines", together)
    header = ["商家编码", "账面数量", "版本", "盘点数量"]
    lines = [[f"N{n}", 1, 1, 1] for n in range(50)]
    task = await clerk.start(ok(await clerk.upload("stock_in", table(header, *lines))))
    await asyncio.gather(*(clerk.run(task) for _ in range(2)))
    assert await clerk.value("select done_lines from bulk.tasks") == 100
    async with running.transaction(clerk.shop) as tx:
        await tx.run("delete from bulk.refusals")
        await tx.run("delete from bulk.tasks")


async def test_a_cancelled_run_stops_at_its_place(clerk: Clerk, monkeypatch: pytest.MonkeyPatch):
    task = await clerk.start(ok(await clerk.upload("products_in", many(80))))
    find, asked = catalog.find_skus, []

    async def cancel_then(tx: Any, codes: list[str]) -> Any:
        asked.append(codes)
        if len(asked) == 26:  # in the second chunk
            call = clerk.http.post(f"/admin/v1/bulk/{task['task_id']}/cancel")
            ok(await asyncio.get_running_loop().create_task(call, context=contextvars.Context()))
        return await find(tx, codes)

    monkeypatch.setattr(catalog, "find_skus", cancel_then)
    stopped = await clerk.run(task)
    assert (stopped["state"], stopped["done_lines"]) == ("cancelled", 25)
    assert await clerk.value("select count(*) from catalog.products") == 25
    assert stopped["can_start"]


async def test_one_refused_product_does_not_take_its_chunk_along(clerk: Clerk):
    lines = [[f"茶{n}", f"T{n}", "5", "", "9" if n == 7 else "", *[""] * 5] for n in range(20)]
    task = await clerk.take_in("products_in", table(HEADER, *lines))
    assert counts(task) == (19, 0, 0, 1)
    assert await clerk.refusals(task) == [(9, "商品名称", "catalog.bad_product")]


async def test_after_its_last_try_a_run_has_failed(clerk: Clerk, monkeypatch: pytest.MonkeyPatch):
    task = await clerk.start(ok(await clerk.upload("products_in", many(1))))

    async def broken(*_: Any) -> None:
        raise OSError("disk")

    monkeypatch.setattr(bulk, "run_task", broken)
    monkeypatch.setattr(background, "is_last_try", lambda: True)
    with pytest.raises(OSError, match="disk"):
        await background.run_task(clerk.shop, UUID(task["task_id"]), 1)
    failed = ok(await clerk.http.get(f"/admin/v1/bulk/{task['task_id']}"))
    assert (failed["state"], failed["failure"], failed["can_start"]) == (
        "failed", "broken_off", True,
    )  # fmt: skip


async def test_files_are_thrown_away_after_a_month(clerk: Clerk):
    task = await clerk.take_in("products_in", table(HEADER, TEA))
    draft = ok(await clerk.upload("products_in", table(HEADER, TEA)))["task"]
    folder = bulk.result_file(clerk.shop, UUID(task["task_id"])).parent
    assert len(list(folder.iterdir())) == 2
    clock.advance(bulk_age())
    await background.forget_files()
    assert list(folder.iterdir()) == []
    left = ok(await clerk.http.get(f"/admin/v1/bulk/{draft['task_id']}"))
    assert left["state"] == "cancelled" and not left["can_start"]


def bulk_age() -> Any:
    from siyu.commerce.bulk.service.tasks import KEPT_FOR

    return KEPT_FOR


# --- guards -----------------------------------------------------------------------------------


def xml_book(sheet: str) -> bytes:
    """A book whose sheet is replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book(HEADER, TEA))) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.infolist():
            raw = old.read(entry)
            new.writestr(entry.filename, sheet if "sheet1" in entry.filename else raw)
    return made.getvalue()


ENTITY = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<sheetData><row><c t="inlineStr"><is><t>&a;</t></is></c></row></sheetData></worksheet>"""
UTF_16 = ENTITY.replace('1.0"?', '1.0" encoding="utf-16"?')
LAUGHS = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<worksheet>&b;</worksheet>"""


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (xml_book(ENTITY), "document_type"),
        (xml_book(UTF_16), None),
        (xml_book(LAUGHS), "document_type"),
        (book(HEADER, TEA)[:-200], "broken"),
        (b"PK\x03\x04 and nothing", "broken"),
        (b"", "empty"),
        (b"\n\n\n", "empty"),
        (b"\x1f\x8b\x08\x00", "not_a_table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "not_a_table"),
    ],
)  # fmt: skip
async def test_F070_files_that_are_traps_are_refused(clerk: Clerk, raw: bytes, why: str | None):
    answer = await clerk.upload("products_in", raw, "trap.xlsx")
    assert refused(answer)[:2] == (422, "tables.refused")
    assert why is None or refused(answer)[2] == why
    assert await clerk.value("select count(*) from bulk.tasks") == 0
    folder = bulk.result_file(clerk.shop, UUID(int=0)).parent
    assert not folder.exists() or list(folder.iterdir()) == []


async def test_F070_a_bomb_of_an_archive_is_refused(clerk: Clerk):
    made = io.BytesIO()
    with (
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new,
        new.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(600):
            part.write(b" " * (1 << 20))
    assert len(made.getvalue()) < 1_000_000
    answer = await clerk.upload("products_in", made.getvalue())
    assert refused(answer) == (422, "tables.refused", "bomb")


async def test_F071_a_table_is_of_30_mb_and_100_000_lines_at_most(clerk: Clerk):
    answer = await clerk.upload("products_in", b"a,b\n" + b"1,2\n" * (8 << 20))
    assert answer.status_code == 413
    task = await clerk.take_in("stock_in", b"\n".join(
        [b"sku,on_hand,version,counted", *[b"x,1,1,1"] * 100_001]
    ))  # fmt: skip
    assert (task["state"], task["failure"]) == ("failed", "too_many_lines")
    assert task["done_lines"] == 0


async def test_a_cell_at_the_end_of_the_sheet_costs_nothing(clerk: Clerk):
    far = ENTITY.partition("]>")[2].replace("&a;", "x")
    far = far.replace("<row>", '<row r="1048576">').replace("<c ", '<c r="XFD1048576" ')
    uploaded = await clerk.upload("products_in", xml_book('<?xml version="1.0"?>' + far))
    assert refused(uploaded) == (422, "tables.refused", "empty")


async def test_a_zip_of_no_pictures_is_refused(clerk: Clerk):
    uploaded = ok(await clerk.upload("products_in", table(HEADER, TEA)))
    path = f"/admin/v1/bulk/{uploaded['task']['task_id']}/pictures"
    for raw, why in ((b"x", "broken"), (zipped({"a.txt": b"x"}), "empty")):
        answer = await clerk.http.post(path, files={"file": ("p.zip", raw)})
        assert refused(answer) == (422, "bulk.not_pictures", why)
    stock = ok(await clerk.upload("stock_in", table(["x"], ["y"])))
    path = f"/admin/v1/bulk/{stock['task']['task_id']}/pictures"
    good = await clerk.http.post(path, files={"file": ("p.zip", zipped({"a.png": colour(1)}))})
    assert refused(good)[:2] == (409, "bulk.task_busy")


async def test_rights(shop: ShopId):
    async with at_work(shop, frozenset({"shop.read", "stock.read", "stock.write"})) as clerk:
        assert (await clerk.upload("products_in", table(HEADER, TEA))).status_code == 403
        assert (await clerk.upload("stock_out", table(HEADER, TEA))).status_code == 404
        for kind, status in (("orders_out", 403), ("products_out", 403), ("stock_out", 201)):
            body = {"kind": kind, "format": "csv", "reason": "对账"}
            answer = await clerk.http.post("/admin/v1/bulk/exports", json=body)
            assert answer.status_code == status
        ok(await clerk.upload("stock_in", table(["x"], ["y"])))
        async with at_work(shop) as boss:
            task = ok(await boss.upload("products_in", table(HEADER, TEA)))["task"]
        listed = ok(await clerk.http.get("/admin/v1/bulk"))["items"]
        assert {one["kind"] for one in listed} == {"stock_in", "stock_out"}
        for path in ("", "/refusals", "/errors", "/file"):
            answer = await clerk.http.get(f"/admin/v1/bulk/{task['task_id']}{path}")
            assert answer.status_code == 403, path


async def test_F084_a_table_of_orders_above_the_limit_waits_for_a_second_person(
    clerk: Clerk, shop: ShopId
):
    """Goods are nobody's data and leave all the same."""
    await clerk.take_in("orders_in", table(
        ["客户", "下单时间", "商品编码", "数量", "单价", "订单号"],
        ["C1", "2026-01-02 10:00", "TEA", "2", "10.00", "A-1"],
    ), source="youzan")  # fmt: skip
    await colleagues(shop, 2)
    for limit, kind, status in (
        (0, "orders_out", 409),
        (0, "stock_out", 201),
        (1, "orders_out", 201),
    ):
        async with transaction(shop) as tx:
            await approvals.set_export_limit(tx, System(), ExportLimit(limit))
        body = {"kind": kind, "format": "csv", "reason": "对账"}
        answer = await clerk.http.post("/admin/v1/bulk/exports", json=body)
        assert answer.status_code == status, answer.text
        if status == 409:
            assert answer.json()["error"]["code"] == "approvals.second_approver_needed"
            assert (
                await clerk.value("select count(*) from bulk.tasks where kind = 'orders_out'") == 0
            )


async def test_another_shops_task_is_not_found(clerk: Clerk, shop: ShopId):
    task = ok(await clerk.upload("products_in", table(HEADER, TEA)))["task"]
    async with reading(ShopId(shop + 1_000_000)) as tx:
        assert await queries.get_task(tx, UUID(task["task_id"])) is None


# --- cells ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fen"),
    [("0", 0), ("12.5", 1250), ("12.50000", 1250), ("¥ 1,200.00", 120_000), ("￥3", 300)],
)
def test_prices(text: str, fen: int):
    assert rules.read_price("price", text) == fen


@pytest.mark.parametrize(
    "text", ["", "1,20", "1.2.3", "１２", "1e3", "0.001", "-1", "+1", "99999999999", "NaN"]
)
def test_what_is_no_price(text: str):
    with pytest.raises(rules.Wrong):
        rules.read_price("price", text)


@pytest.mark.parametrize("text", ["红", "颜色:", ":红", "颜色:红;颜色:白", "a:1;b:2;c:3;d:4"])
def test_what_are_no_options(text: str):
    with pytest.raises(rules.Wrong):
        rules.read_options(text)


def test_lines_of_a_product_follow_each_other():
    lines = [rules.Line(n, {"title": t} if t else {}) for n, t in enumerate("ab cb", 2)]
    lines[2] = rules.Line(4, {})
    grouped = [(g.title, [line.line_no for line in g.lines]) for g in rules.group_products(lines)]
    assert grouped == [("a", [2]), ("b", [3, 4]), ("c", [5]), ("b", [6])]
