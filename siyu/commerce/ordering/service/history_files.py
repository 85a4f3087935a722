"""Tables of other systems: CSV in any usual form, XLSX, either of them in gzip."""

import contextlib
import csv
import gzip
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import BadZipFile

import msgspec
from openpyxl import load_workbook

from siyu.commerce.ordering.contracts import BadImportFile


class ImportPreset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to read another system's tables: which columns (by name, any case) hold what.

    `source` names that system and is part of what makes an order known again. `order_no` is used
    where there is one; else lines of one customer at one time are one order. `time_formats` are
    tried in turn after ISO 8601; times without an offset are the shop's local time.
    """

    source: str
    customer: list[str]
    time: list[str]
    item: list[str]
    quantity: list[str]
    price: list[str]
    order_no: list[str] = []
    item_name: list[str] = []
    customer_name: list[str] = []
    country: list[str] = []
    time_formats: list[str] = []


PRESETS: dict[str, ImportPreset] = {
    "online-retail": ImportPreset(
        source="online-retail",
        customer=["customer_id", "Customer ID", "CustomerID"],
        time=["time", "InvoiceDate"],
        item=["item_id", "StockCode"],
        quantity=["quantity"],
        price=["unit_price", "Price", "UnitPrice"],
        order_no=["Invoice", "InvoiceNo"],
        item_name=["name", "Description"],
        country=["country"],
        time_formats=["%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"],
    ),
    "standard": ImportPreset(
        source="import",
        customer=["customer", "customer_id", "客户", "客户编号", "会员", "会员号", "买家"],
        time=["time", "ordered_at", "date", "下单时间", "订单时间", "时间", "日期"],
        item=["item", "item_id", "sku", "商品编码", "商品编号", "货号", "商家编码"],
        quantity=["quantity", "qty", "数量", "件数"],
        price=["price", "unit_price", "单价", "价格"],
        order_no=["order_no", "order", "订单号", "订单编号"],
        item_name=["name", "item_name", "title", "商品", "商品名称", "名称"],
        customer_name=["customer_name", "nickname", "客户名称", "昵称", "姓名"],
        country=["country", "国家"],
        time_formats=["%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y年%m月%d日 %H:%M", "%Y/%m/%d"],
    ),
}
"""Mappings that are always there; a shop's own are saved beside them by name."""

_NEEDED = ("customer", "time", "item", "quantity", "price")
_FIELDS = (*_NEEDED, "order_no", "item_name", "customer_name", "country")


class Table(NamedTuple):
    """An open file: its columns by field, and its rows with their line numbers."""

    path: Path
    columns: Mapping[str, int]
    rows: Iterator[tuple[int, Sequence[str]]]
    is_lines: bool
    """Whether it holds order lines; else names of items or customers."""
    position: Callable[[], int]
    """Bytes of the file read so far, for a progress bar."""


@contextlib.contextmanager
def open_table(path: Path, preset: ImportPreset) -> Iterator[Table]:
    """Open a table and find its columns; raises BadImportFile with the reason."""
    with contextlib.ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
            magic = raw.read(4)
            raw.seek(0)
            plain: Any = raw
            if magic[:2] == b"\x1f\x8b":
                plain = stack.enter_context(gzip.GzipFile(fileobj=raw))
                magic = plain.read(4)
                plain.seek(0)
            rows = _xlsx_rows(plain, stack) if magic == b"PK\x03\x04" else _csv_rows(plain)
            _, header = next(rows, (0, []))
        except (OSError, EOFError, BadZipFile, KeyError, ValueError, csv.Error) as error:
            raise BadImportFile(file=path.name, reason=str(error) or "empty") from None
        columns = _find_columns(header, preset)
        is_lines = all(field in columns for field in _NEEDED)
        has_names = {"item", "item_name"} <= set(columns) or (
            "customer" in columns and {"customer_name", "country"} & set(columns)
        )
        if not is_lines and ("quantity" in columns or not has_names):
            missing = ", ".join(field for field in _NEEDED if field not in columns)
            raise BadImportFile(file=path.name, reason=f"no column for: {missing}")
        yield Table(path, columns, _checked(path, rows), is_lines, raw.tell)


def _find_columns(header: Sequence[str], preset: ImportPreset) -> dict[str, int]:
    """Where each field stands; names are compared without case, space and underscore."""
    known = {_plain(name): at for at, name in reversed(list(enumerate(header)))}
    found: dict[str, int] = {}
    for field in _FIELDS:
        names: list[str] = getattr(preset, field)
        places = [known[_plain(name)] for name in names if _plain(name) in known]
        if places:
            found[field] = places[0]
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "").replace("_", "")


def _checked(
    path: Path, rows: Iterator[tuple[int, Sequence[str]]]
) -> Iterator[tuple[int, Sequence[str]]]:
    """Rows with something in them; a file that breaks in the middle is refused as a whole."""
    try:
        for line_no, row in rows:
            if row:
                yield line_no, row
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise BadImportFile(file=path.name, reason=str(error)) from None


def _csv_rows(file: IO[bytes]) -> Iterator[tuple[int, Sequence[str]]]:
    sample = file.read(256 * 1024)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=_encoding(sample), newline="")
    head = sample.partition(b"\n")[0]
    delimiter = max(",;\t|", key=lambda mark: head.count(mark.encode()))
    reader = csv.reader(text, delimiter=delimiter)
    for row in reader:
        yield reader.line_num, row


def _encoding(sample: bytes) -> str:
    """UTF-8, or what Chinese Windows writes."""
    try:
        # A character may be cut at the end of the sample, but not before it.
        sample.decode("utf-8") if len(sample) < 256 * 1024 else sample[:-4].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 8:
            return "gb18030"
    return "utf-8-sig"


def _xlsx_rows(file: IO[bytes], stack: contextlib.ExitStack) -> Iterator[tuple[int, Sequence[str]]]:
    book = load_workbook(file, read_only=True, data_only=True)
    stack.callback(book.close)
    for line_no, row in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
        yield line_no, [_cell_text(value) for value in row]


def _cell_text(value: Any) -> str:
    """A cell as it would stand in a CSV; repr of a number is its shortest exact form."""
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return str(value)


def name_columns(preset: ImportPreset, columns: Mapping[str, str]) -> ImportPreset:
    """The preset with other column names in front; raises BadImportFile for an unknown field."""
    if columns.get("source") == "shop":
        raise BadImportFile(reason="the source `shop` is our own")
    unknown = sorted(set(columns) - set(_FIELDS) - {"source"})
    if unknown:
        raise BadImportFile(reason=f"no such field: {', '.join(unknown)}")
    changed: dict[str, Any] = {
        field: [name, *getattr(preset, field)]
        for field, name in columns.items()
        if field != "source"
    }
    values = {field: getattr(preset, field) for field in ImportPreset.__struct_fields__}
    if "source" in columns:
        changed["source"] = columns["source"]
    return ImportPreset(**(values | changed))
