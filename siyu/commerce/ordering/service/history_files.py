"""Tables of other systems: CSV in any usual form, XLSX, either of them in gzip."""

import contextlib
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import msgspec

from siyu.kernel.errors import BadInput
from siyu.kernel.tables import open_rows


class BadImportFile(BadInput):
    """The file cannot be read at all, or lacks columns; `reason` says which."""

    code = "ordering.bad_import_file"
    zh = "文件无法导入：{reason}"
    en = "The file cannot be imported: {reason}"


class ImportPreset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to read another system's tables: which columns (by name, any case) hold what.

    `source` names that system and is part of what makes an order known again. `order_no` is used
    where there is one; else lines of one customer at one time are one order. `time_formats` are
    tried in turn after ISO 8601; times without an offset are the shop's local time. `kind` and
    `status`: words as our own tables say them, where a table has them: a return counts as one, and
    what was never paid, or was paid back, is refused.
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
    kind: list[str] = []
    status: list[str] = []
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
_FIELDS = (*_NEEDED, "order_no", "item_name", "customer_name", "country", "kind", "status")


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
            opened = stack.enter_context(open_rows(path))
            _, header = next(opened.rows, (0, []))
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
        yield Table(path, columns, _checked(path, opened.rows), is_lines, opened.position)


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
