"""Orders as a table for people: streamed, in their own time zone, and inert in a spreadsheet."""

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import IO, Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile
from zoneinfo import ZoneInfo

from siyu.commerce.ordering import queries
from siyu.commerce.ordering.queries import ExportLine, OrderFilter
from siyu.kernel.db import reading
from siyu.kernel.ids import ShopId

HEADER = [
    "订单号", "类型", "来源", "状态", "客户编号", "下单时间", "支付时间", "行号", "商品编号",
    "商品", "规格", "数量", "单价", "优惠", "小计", "已退数量", "已退金额",
    "订单金额", "备注",
]  # fmt: skip
ROWS_AT_ONCE = 500
SHEET_ROWS = 1_048_576
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
    """XLSX, written as it goes: the usual libraries keep the whole book until its end, and take
    minutes for a history of years. Sheets are as long as Excel allows."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_DEFLATED, compresslevel=1) as book:
        sheets = 0
        sheet: IO[bytes] | None = None
        left = 0
        async for rows in _batches(shop_id, wanted, time_zone):
            if sheet is None or left < len(rows):
                if sheet is not None:
                    _end_sheet(sheet)
                sheets, left = sheets + 1, SHEET_ROWS - 1
                sheet = book.open(f"xl/worksheets/sheet{sheets}.xml", "w", force_zip64=True)
                sheet.write(_SHEET_HEAD + _xml_row(list(HEADER)))
            left -= len(rows)
            sheet.write(b"".join(map(_xml_row, rows)))
            yield sink.take()
        assert sheet is not None, "there is always a batch, if only an empty one"
        _end_sheet(sheet)
        for name, text in _book_parts(sheets).items():
            book.writestr(name, text)
    yield sink.take()


class _Sink(io.RawIOBase):
    """Where the archive is written to, taken away piece by piece; it cannot go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


_SHEET_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _end_sheet(sheet: IO[bytes]) -> None:
    sheet.write(b"</sheetData></worksheet>")
    sheet.close()


def _xml_row(row: list[Cell]) -> bytes:
    cells = [
        f'<c t="inlineStr"><is><t xml:space="preserve">{_xml_text(cell)}</t></is></c>'
        if isinstance(cell, str)
        else f"<c><v>{cell}</v></c>"
        for cell in row
    ]
    return f"<row>{''.join(cells)}</row>".encode()


def _xml_text(text: str) -> str:
    # A bare carriage return would be read as a line feed.
    return escape(_NOT_XML.sub("", text), {"\r": "&#13;"})


def _book_parts(sheets: int) -> dict[str, str]:
    """The parts around the sheets (ECMA-376, part 1, chapter 12)."""
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbers = range(1, sheets + 1)
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>'
        for n in numbers
    )
    names = "".join(f'<sheet name="orders {n}" sheetId="{n}" r:id="r{n}"/>' for n in numbers)
    links = "".join(
        f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    return {
        "xl/workbook.xml": f'{head}<workbook xmlns="{main}" xmlns:r="{office}">'
        f"<sheets>{names}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'{head}<Relationships xmlns="{package}/relationships">'
        f"{links}</Relationships>",
        "_rels/.rels": f'{head}<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "[Content_Types].xml": f'{head}<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f"{types}</Types>",
    }


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
        line.refunded_quantity,
        _major(line.refunded_fen),
        _major(line.order_total_fen),
        inert(line.remark),
    ]


def _local(at: datetime | None, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def _major(amount_fen: int) -> Decimal:
    """Yuan (major units) for a spreadsheet's cell, exactly; nothing is computed with it."""
    return Decimal(amount_fen).scaleb(-2)
