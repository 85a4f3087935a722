"""Orders as a table for people: streamed, in their own time zone, and inert in a spreadsheet."""

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from openpyxl import Workbook

from siyu.commerce.ordering import queries
from siyu.commerce.ordering.queries import ExportLine, OrderFilter
from siyu.kernel.db import reading
from siyu.kernel.ids import ShopId

HEADER = [
    "订单号", "类型", "来源", "状态", "客户编号", "下单时间", "支付时间", "行号", "商品编号",
    "商品", "规格", "数量", "单价", "优惠", "小计", "订单金额", "备注",
]  # fmt: skip
ROWS_AT_ONCE = 500
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")

Cell = str | int | Decimal


def inert(text: str) -> str:
    """Text that no spreadsheet takes for a formula (F069, ASVS V1.2.10)."""
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


async def write_csv(shop_id: ShopId, wanted: OrderFilter, time_zone: str) -> AsyncIterator[bytes]:
    """CSV in UTF-8 with the mark that makes Excel read it as such."""
    yield b"\xef\xbb\xbf"
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(HEADER)
    async for rows in _batches(shop_id, wanted, time_zone):
        writer.writerows(rows)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


async def write_xlsx(shop_id: ShopId, wanted: OrderFilter, time_zone: str) -> AsyncIterator[bytes]:
    """XLSX; the rows wait in a file, for its directory can only be written when all are known."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("orders")
    sheet.append(HEADER)

    def append(rows: list[list[Cell]]) -> None:
        for row in rows:
            sheet.append(row)

    async for rows in _batches(shop_id, wanted, time_zone):
        await asyncio.to_thread(append, rows)
    with tempfile.TemporaryFile() as file:
        await asyncio.to_thread(book.save, file)
        file.seek(0)
        while chunk := file.read(256 * 1024):
            yield chunk


async def _batches(
    shop_id: ShopId, wanted: OrderFilter, time_zone: str
) -> AsyncIterator[list[list[Cell]]]:
    zone = ZoneInfo(time_zone)
    rows: list[list[Cell]] = []
    async with reading(shop_id) as tx:
        async for line in queries.stream_export(tx, wanted):
            rows.append(_row(line, zone))
            if len(rows) == ROWS_AT_ONCE:
                yield rows
                rows = []
    yield rows


def _row(line: ExportLine, zone: ZoneInfo) -> list[Cell]:
    return [
        line.order_no,
        line.kind,
        inert(line.source),
        line.status,
        line.person_no,
        _local(line.placed_at, zone),
        _local(line.paid_at, zone),
        line.line_no,
        line.product_no,
        inert(line.title),
        inert(" / ".join(line.option_values)),
        line.quantity,
        _major(line.list_price_fen),
        _major(line.discount_fen),
        _major(line.line_total_fen),
        _major(line.order_total_fen),
        inert(line.remark),
    ]


def _local(at: datetime | None, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def _major(amount_fen: int) -> Decimal:
    """Yuan (major units) for a spreadsheet's cell, exactly; nothing is computed with it."""
    return Decimal(amount_fen).scaleb(-2)
