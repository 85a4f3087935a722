"""History of another system: complete, exact, repeatable."""

import csv
import gzip
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from openpyxl import Workbook

from siyu.commerce.ordering.service import import_history
from siyu.commerce.ordering.service.history_files import BadImportFile
from siyu.commerce.ordering.service.history_rows import (
    Refused,
    read_price,
    read_quantity,
    read_time,
)
from siyu.commerce.ordering.service.history_store import ImportReport
from siyu.kernel import config
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from tests.commerce.ordering.kit import broken_invariants, events, shopper

DATA = Path(__file__).parents[3] / "demo_data" / "online_retail_2"
HEAD = "customer_id,time,item_id,quantity,unit_price\n"
Import = Callable[..., Awaitable[ImportReport]]


@pytest.fixture
async def bring(shop: ShopId, tmp_path: Path) -> Import:
    """Write files and import them; every invariant holds afterwards."""
    before = config.settings()
    config.use(msgspec.structs.replace(before, data_dir=tmp_path))
    async with reading(shop) as tx:
        code = await tx.value("select code from shops.shops where shop_id = $1", shop)

    async def bring(*files: str | Path, preset: str | None = "online-retail", **options):
        paths = []
        for number, content in enumerate(files):
            path = content
            if isinstance(content, str):
                path = tmp_path / f"file{number}.csv"
                path.write_text(content, "utf-8")
            paths.append(path)
        return await import_history.import_files(code, paths, preset=preset, **options)

    yield bring
    config.use(before)
    assert await broken_invariants(shop) == []


async def rows(shop: ShopId, sql: str) -> list[tuple]:
    async with reading(shop) as tx:
        return [tuple(row) for row in await tx.connection.fetch(sql)]


ORDERS = """select kind, total_fen, placed_at, (select string_agg(title || ' x' || quantity, ', '
  order by line_no) from ordering.order_lines l where l.order_id = o.order_id)
  from ordering.orders o order by placed_at, kind, total_fen"""


async def test_lines_of_a_customer_at_one_time_are_an_order(shop, bring: Import):
    report = await bring(
        HEAD
        + "7,2010-01-04 10:00,1,2,1.25\n"
        + "8,2010-01-04 10:00,1,1,1.25\n"
        + "7,2010-01-04 10:00,2,1,0\n"
        + "7,2010-01-04 10:00,2,-3,4.5\n"
        + "7,2010-01-05 11:30,2,1,4.5\n",
        "item_id,name\n1,盖碗\n2,茶则\n",
        "customer_id,country\n7,France\n8,United Kingdom\n",
    )
    first, later = datetime(2010, 1, 4, 2, tzinfo=UTC), datetime(2010, 1, 5, 3, 30, tzinfo=UTC)
    assert await rows(shop, ORDERS) == [
        ("return", 1350, first, "茶则 x3"),
        ("sale", 125, first, "盖碗 x1"),
        ("sale", 250, first, "盖碗 x2, 茶则 x1"),
        ("sale", 450, later, "茶则 x1"),
    ]
    assert (report.lines, report.imported, report.refused) == (5, 5, 0)
    assert (report.orders, report.returns) == (3, 1)
    assert (report.sold_fen, report.returned_fen) == (825, 1350)
    assert report.notes == {"price_zero": 1} and report.report_file is None
    told = await events(shop, "ordering.order_imported")
    assert sorted((e["kind"], e["amount_fen"], e["first_order"]) for e in told) == [
        ("return", -1350, False),
        ("sale", 125, True),
        ("sale", 250, True),
        ("sale", 450, False),
    ]
    happened = "select distinct happened_at from kernel.outbox where name like 'ordering.%'"
    assert {at for (at,) in await rows(shop, happened)} == {first, later}
    assert await rows(shop, "select country from members.members order by external_ref") == [
        ("France",),
        ("United Kingdom",),
    ]


BAD = {
    "7,2010-01-04 10:00,1,2": "columns_missing",
    ",2010-01-04 10:00,1,2,1": "customer_missing",
    "7,2010-01-04 10:00, ,2,1": "item_missing",
    "7,yesterday,1,2,1": "time_malformed",
    "7,2010-02-30 10:00,1,2,1": "time_malformed",
    "7,2999-01-04 10:00,1,2,1": "time_in_future",
    "7,2010-01-04 10:00,1,1.5,1": "quantity_malformed",
    "7,2010-01-04 10:00,1,１,1": "quantity_malformed",
    "7,2010-01-04 10:00,1,1e9,1": "quantity_malformed",
    "7,2010-01-04 10:00,1,NaN,1": "quantity_malformed",
    "7,2010-01-04 10:00,1,0,1": "quantity_zero",
    "7,2010-01-04 10:00,1,1000001,1": "quantity_too_large",
    "7,2010-01-04 10:00,1,2,free": "price_malformed",
    '7,2010-01-04 10:00,1,2,"1,25"': "price_malformed",
    "7,2010-01-04 10:00,1,2,-0.01": "price_negative",
    "7,2010-01-04 10:00,1,2,0.001": "price_too_precise",
    "7,2010-01-04 10:00,1,2,100000000.01": "amount_too_large",
    "7,2010-01-04 10:00,1,2,99999999": "amount_too_large",
}


async def test_every_bad_row_is_reported_with_its_line_and_reason(shop, bring: Import):
    good = "7,2010-01-04 10:00,1,2,1.25\n"
    report = await bring(HEAD + good + "\n".join(BAD) + "\n\n" + "7,2010-01-04 10:00,1,1,1.250\n")
    assert (report.lines, report.imported, report.refused) == (len(BAD) + 2, 2, len(BAD))
    assert await rows(shop, "select total_fen from ordering.orders") == [(375,)]
    kept = await rows(
        shop,
        "select file, line_no, reason, content from ordering.import_refusals order by refusal_no",
    )
    assert [(line_no, reason) for _, line_no, reason, _ in kept] == [
        (line_no, reason) for line_no, reason in enumerate(BAD.values(), start=3)
    ]
    assert kept[0] == ("file0.csv", 3, "columns_missing", "7,2010-01-04 10:00,1,2")
    with Path(str(report.report_file)).open(encoding="utf-8-sig") as file:
        written = list(csv.reader(file))
    assert written[1] == ["file0.csv", "3", "columns_missing", "7,2010-01-04 10:00,1,2"]
    assert len(written) == len(BAD) + 1


async def test_a_report_of_refusals_opens_inert(shop, bring: Import):
    report = await bring(HEAD + "=1+1,x,1,2,1\n7,2010-01-04 10:00,1,1,1\n")
    assert "'=1+1,x,1,2,1" in Path(str(report.report_file)).read_text("utf-8-sig")


async def test_importing_twice_makes_no_double(shop, bring: Import):
    lines = HEAD + "7,2010-01-04 10:00,1,2,1.25\n8,2010-01-04 10:00,1,-1,1.25\n"
    await bring(lines)
    before = await rows(shop, "select count(*) from kernel.outbox")
    more = await bring(lines + "9,2010-01-06 10:00,1,1,1.25\n")
    assert (more.imported, more.known, more.refused) == (1, 2, 0)
    assert (more.orders, more.returns, more.known_orders) == (1, 0, 2)
    assert await rows(shop, "select count(*) from ordering.orders") == [(3,)]
    assert await rows(shop, "select count(*) from members.members") == [(3,)]
    # A member and an order more; nothing is told twice.
    assert await rows(shop, "select count(*) from kernel.outbox") == [(before[0][0] + 2,)]


async def test_a_known_order_that_differs_is_refused_line_by_line(shop, bring: Import):
    await bring(HEAD + "7,2010-01-04 10:00,1,2,1.25\n")
    report = await bring(HEAD + "7,2010-01-04 10:00,1,2,1.25\n7,2010-01-04 10:00,2,1,3\n")
    assert (report.imported, report.known, report.refused) == (0, 0, 2)
    assert report.refusals == {"order_differs": 2}
    assert await rows(shop, "select total_fen from ordering.orders") == [(250,)]


async def test_a_dry_run_counts_and_writes_nothing(shop, bring: Import):
    report = await bring(HEAD + "7,2010-01-04 10:00,1,2,1.25\nx\n", dry_run=True)
    assert (report.dry_run, report.orders, report.refused) == (True, 1, 1)
    for table in ("ordering.orders", "ordering.imports", "members.members", "kernel.outbox"):
        assert await rows(shop, f"select count(*) from {table}") == [(0,)], table
    again = await bring(HEAD + "7,2010-01-04 10:00,1,2,1.25\nx\n")
    assert (again.orders, again.known_orders) == (1, 0)


async def test_xlsx_and_chinese_csv_say_the_same(shop, bring: Import, tmp_path: Path):
    head = ["订单号", "客户", "下单时间", "商品编码", "商品名称", "数量", "单价"]
    body = [["A1", "C1", datetime(2020, 5, 1, 9, 30), "T-1", "龙井", 2, 68.8]]
    book = Workbook()
    for row in [head, *body, ["A2", "C1", "2020/5/1 9:30", "T-1", "龙井", "1", "68.80"]]:
        book.active.append(row)
    book.save(tmp_path / "orders.xlsx")
    report = await bring(tmp_path / "orders.xlsx", preset=None)
    assert (report.orders, report.imported, report.refused) == (2, 2, 0), report
    text = "订单号;客户;下单时间;商品编码;数量;单价\nA1;C1;2020年05月01日 09:30;T-1;2;68.8\n"
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(text.encode("gb18030")))
    again = await bring(tmp_path / "orders.csv.gz", preset=None)
    assert (again.known_orders, again.orders) == (1, 0)
    assert {title for *_, title in await rows(shop, ORDERS)} == {"龙井 x2", "龙井 x1"}


async def test_a_mapping_is_kept_by_name(shop, bring: Import):
    columns = {"customer": "wer", "item": "was", "source": "old-shop"}
    text = "wer,was,time,quantity,price\n7,T,2010-01-04 10:00,1,1\n"
    await bring(text, preset=None, columns=columns, save_preset="old")
    report = await bring(text, preset="old")
    assert (report.source, report.known_orders) == ("old-shop", 1)


async def test_files_that_are_no_history_are_refused_whole(shop, bring: Import, tmp_path: Path):
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(gzip.compress((HEAD + "7,2010-01-04 10:00,1,2,1\n" * 9999).encode())[:-40])
    (tmp_path / "not.xlsx").write_bytes(b"PK\x03\x04 nothing")
    for bad in (
        "",
        "customer_id,time,item_id,quantity\n",
        "item_id,name\n1,x\n",
        broken,
        tmp_path / "not.xlsx",
        tmp_path / "missing.csv",
    ):
        with pytest.raises(BadImportFile):
            await bring(bad)
    with pytest.raises(BadImportFile):
        await bring(HEAD, preset="nobody")
    with pytest.raises(BadImportFile):
        await bring(HEAD, columns={"source": "shop"})
    assert await rows(shop, "select count(*) from ordering.orders") == [(0,)]


async def test_the_console_shows_imports_and_refusals(shop, bring: Import):
    report = await bring(HEAD + "7,2010-01-04 10:00,1,2,1.25\nx\ny\n")
    async with shopper(shop) as anna:
        page = (await anna.http.get("/admin/v1/imports")).json()
        assert page["items"][0]["report"]["refused"] == 2
        path = f"/admin/v1/imports/{report.import_id}/refusals?limit=1"
        page = (await anna.http.get(path)).json()
        assert page["items"][0]["content"] == "x"
        page = (await anna.http.get(f"{path}&cursor={page['next_cursor']}")).json()
        assert [row["content"] for row in page["items"]] == ["y"]
        assert page["next_cursor"] is None


async def test_real_history_is_complete_to_the_penny(shop, bring: Import, tmp_path: Path):
    """A slice of the real data, compared with a plain sum in decimals."""
    with gzip.open(DATA / "lines.csv.gz", "rt") as file:
        text = "".join(line for _, line in zip(range(40_001), file, strict=False))
    sold = returned = too_precise = 0
    for row in csv.DictReader(text.splitlines()):
        pence = Decimal(row["unit_price"]) * 100
        if pence != int(pence):
            too_precise += 1
        elif int(row["quantity"]) > 0:
            sold += int(pence) * int(row["quantity"])
        else:
            returned -= int(pence) * int(row["quantity"])
    report = await bring(text, DATA / "items.csv.gz", DATA / "customers.csv.gz")
    assert report.lines == 40_000
    assert (report.sold_fen, report.returned_fen) == (sold, returned)
    assert report.refusals == ({"price_too_precise": too_precise} if too_precise else {})
    async with transaction(shop) as tx:
        found = await tx.value("select sum(total_fen) from ordering.orders where kind = 'sale'")
    assert found == sold


def test_prices_are_exact_or_refused():
    for text, pence in {"6.95": 695, "0": 0, "1": 100, "1.5": 150, " 2.00 ": 200, "3.1000": 310,
                        "-0.00": 0, "99999999": 9_999_999_900}.items():  # fmt: skip
        assert read_price(text) == pence
    for text in ("", "1.", ".5", "1e3", "1_0", "0x1", "∞", "nan", "1.001", "-1", "٣"):
        with pytest.raises(Refused):
            read_price(text)


def test_quantities_are_whole():
    assert [read_quantity(text) for text in ("1", " 12 ", "-3", "4.0")] == [1, 12, -3, 4]
    for text in ("", "0", "-0", "1.5", "1 2", "１", "true", "1000001", "+1"):
        with pytest.raises(Refused):
            read_quantity(text)


def test_local_times_where_clocks_change():
    zone, now = ZoneInfo("Europe/London"), datetime(2026, 1, 1, tzinfo=UTC)
    twice = read_time("2010-10-31 01:30", zone, [], now)
    assert twice.at == datetime(2010, 10, 31, 0, 30, tzinfo=UTC), "the earlier of two"
    missing = read_time("2010-03-28 01:30", zone, [], now)
    assert missing.at == datetime(2010, 3, 28, 1, 30, tzinfo=UTC)
    assert read_time("2010-06-01T09:00:00+08:00", zone, [], now).at.hour == 1
    assert read_time("3/4/2010 09:05", zone, ["%d/%m/%Y %H:%M"], now).at.month == 4
