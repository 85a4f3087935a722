"""Pure decisions of bulk work: columns, cells, and what a line means.

What is refused, under a stable reason: `missing`, `too_long`, `malformed`, `too_precise`,
`negative`, `too_large`, `unknown`, `repeated`, `with_product` (another line of the same product is
refused), `options_differ`, `another_product`, `picture_missing`, `picture_refused`,
`too_many_lines`, `version_missing`, and the codes of the domains below
(`inventory.stock_changed`: the count is older than somebody's change).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from siyu.commerce.bulk.contracts import RefusedLine, TaskKind
from siyu.commerce.catalog.contracts import ProductKind
from siyu.kernel.i18n import Language
from siyu.kernel.money import MAX_FEN


class Field(NamedTuple):
    """A column that a table may have: what it may be called, first as in our own tables in Chinese
    and in English, then by others.
    """

    name: str
    titles: tuple[str, ...]
    is_needed: bool = False
    sample: str = ""
    english_sample: str | None = None

    def title(self, language: Language) -> str:
        """What it is called in our own tables."""
        return self.titles[0 if language == "zh-CN" else 1]

    def example(self, language: Language) -> str:
        """What may stand in it."""
        is_english = language == "en" and self.english_sample is not None
        return (self.english_sample or "") if is_english else self.sample


_CODE = ("商家编码", "SKU code", "SKU 编码", "货号", "sku", "code")
PRODUCT_FIELDS = (
    Field("title", ("商品名称", "Title", "商品", "名称", "标题", "name"), True, "安溪铁观音",
          "Anxi Tieguanyin"),
    Field("sku_code", _CODE, True, "TGY-100"),
    Field("price", ("售价", "Price", "价格", "单价"), True, "68.00"),
    Field("options", ("规格", "Options"), False, "净含量:100克;包装:罐装", "Net:100 g;Pack:Tin"),
    Field("market_price", ("划线价", "Market price", "市场价", "原价"), False, "88.00"),
    Field("member_price", ("会员价", "Member price"), False, "62.00"),
    Field("weight_g", ("重量（克）", "Weight (g)", "重量(克)", "重量", "weight_g"), False, "150"),
    Field("stock", ("期初库存", "Opening stock", "库存", "stock"), False, "200"),
    Field("subtitle", ("副标题", "Subtitle", "卖点"), False, "清香型 · 春茶", "Light, spring tea"),
    Field("kind", ("类型", "Kind", "商品类型"), False, "实物", "Physical"),
    Field("category", ("分类", "Category", "类目"), False, "乌龙茶", "Oolong"),
    Field("tags", ("标签", "Tags"), False, "新品;春茶", "New;Spring"),
    Field("pictures", ("图片", "Pictures", "主图", "图片文件名", "images"), False, "tgy-1.jpg"),
    Field("description", ("详情", "Description", "描述"), False, "<p>来自安溪感德。</p>",
          "<p>From Gande in Anxi.</p>"),
    Field("shelf", ("上架", "On shelf", "是否上架"), False, "否", "No"),
)  # fmt: skip
STOCK_FIELDS = (
    Field("sku_code", _CODE, True, "TGY-100"),
    Field("on_hand", ("账面数量", "On hand"), True, "200"),
    Field("version", ("版本", "Version"), True, "1"),
    Field("counted", ("盘点数量", "Counted", "实盘数量"), True, "198"),
    Field("reason", ("原因", "Reason", "备注"), False, "盘点", "Stock-taking"),
)
ORDER_FIELDS = (
    Field("customer", ("客户", "Customer", "客户编号", "Customer number"), True, "C-1001"),
    Field("time", ("下单时间", "Placed", "time"), True, "2026-05-01 10:30:00"),
    Field("item", ("商品编码", "Item", "商品编号", "Product number"), True, "TGY-100"),
    Field("quantity", ("数量", "Quantity"), True, "2"),
    Field("price", ("单价", "Unit price", "price"), True, "68.00"),
    Field("order_no", ("订单号", "Order number", "order_no"), False, "20260501-01"),
    Field("item_name", ("商品名称", "Item name", "商品", "Product"), False, "安溪铁观音",
          "Anxi Tieguanyin"),
    Field("customer_name", ("客户名称", "Customer name"), False, "王女士", "Ms Wang"),
    Field("country", ("国家", "Country"), False, ""),
    Field("kind", ("类型", "Kind"), False, "销售", "Sale"),
    Field("status", ("状态", "State"), False, "已完成", "Completed"),
)  # fmt: skip
STOCK_NOTES: dict[Language, list[str]] = {
    "zh-CN": ["商品", "规格", "占用"],
    "en": ["Product", "Options", "Reserved"],
}
"""What stands beside the columns of a count, for who reads it."""
FIELDS: dict[TaskKind, tuple[Field, ...]] = {
    TaskKind.PRODUCTS_IN: PRODUCT_FIELDS,
    TaskKind.STOCK_IN: STOCK_FIELDS,
    TaskKind.ORDERS_IN: ORDER_FIELDS,
}
KIND_WORDS: dict[ProductKind, dict[Language, str]] = {
    ProductKind.PHYSICAL: {"zh-CN": "实物", "en": "Physical"},
    ProductKind.VIRTUAL: {"zh-CN": "虚拟", "en": "Virtual"},
    ProductKind.SERVICE: {"zh-CN": "服务", "en": "Service"},
}
_KINDS = {word.lower(): kind for kind, words in KIND_WORDS.items() for word in words.values()}
SHELF_WORDS: dict[bool, dict[Language, str]] = {
    True: {"zh-CN": "是", "en": "Yes"},
    False: {"zh-CN": "否", "en": "No"},
}
YES, NO = {"是", "上架", "y", "yes", "1", "true"}, {"否", "下架", "n", "no", "0", "false"}


def title_of(kind: TaskKind, field: str) -> str:
    """What a field's column is called in our templates, as it is kept with a refused line."""
    return next(one.titles[0] for one in FIELDS[kind] if one.name == field)


def column_in(kind: TaskKind, column: str, language: Language) -> str:
    """A column of a refused line in the reader's language."""
    found = (one.title(language) for one in FIELDS.get(kind, ()) if one.titles[0] == column)
    return next(found, column)


def _plain(name: str) -> str:
    return re.sub(r"[\s_*＊\ufeff]", "", name).casefold()


def guess_mapping(kind: TaskKind, header: Sequence[str]) -> dict[str, int]:
    """Field -> column by the names we know, whatever their case and gaps."""
    known = {_plain(name): at for at, name in reversed(list(enumerate(header))) if _plain(name)}
    return {
        field.name: place
        for field in FIELDS[kind]
        if (place := next((known[t] for t in map(_plain, field.titles) if t in known), None))
        is not None
    }


def missing_fields(kind: TaskKind, mapping: Mapping[str, int]) -> list[str]:
    """Needed fields without a column."""
    return [f.name for f in FIELDS[kind] if f.is_needed and f.name not in mapping]


class Wrong(Exception):
    """A cell cannot be taken."""

    def __init__(self, field: str, reason: str, content: str = "") -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason
        self.content = content


class Line(NamedTuple):
    """A line's cells by field; blank ones and columns that were not mapped are missing."""

    line_no: int
    cells: dict[str, str]

    def need(self, field: str) -> str:
        """A cell that must be there."""
        if field not in self.cells:
            raise Wrong(field, "missing")
        return self.cells[field]


_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def read_lines(
    rows: Iterable[tuple[int, Sequence[str]]], mapping: Mapping[str, int]
) -> Iterator[Line]:
    """The lines below the header that have anything in them.

    The sign that `inert` sets before a formula is taken off again, so that what was exported comes
    back as it was.
    """
    for line_no, row in rows:
        cells = {}
        for field, place in mapping.items():
            text = _UNSEEN.sub("", row[place]).strip() if place < len(row) else ""
            if text[:1] == "'" and text[1:2] in tuple("=+-@＝＋－＠"):
                text = text[1:]
            if text:
                cells[field] = text
        if cells:
            yield Line(line_no, cells)


# --- cells ------------------------------------------------------------------------------------

_PRICE = re.compile(r"[¥￥]?\s*([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,12})(?:\.([0-9]+))?")
_WHOLE = re.compile(r"([+-]?)([0-9]{1,12})(?:\.0+)?")


def read_price(field: str, text: str) -> int:
    """Fen of `12.50`, `¥12.5` or `1,200`; exactly, or not at all."""
    match = _PRICE.fullmatch(text)
    if match is None:
        raise Wrong(field, "negative" if text.startswith("-") else "malformed", text)
    fraction = (match[2] or "").rstrip("0")
    if len(fraction) > 2:
        raise Wrong(field, "too_precise", text)
    fen = int(match[1].replace(",", "")) * 100 + int(fraction.ljust(2, "0") or "0")
    if fen > MAX_FEN:
        raise Wrong(field, "too_large", text)
    return fen


def read_whole(field: str, text: str, most: int) -> int:
    """A whole number of 0..most."""
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise Wrong(field, "malformed", text)
    number = int(match[2])
    if match[1] == "-" and number:
        raise Wrong(field, "negative", text)
    if number > most:
        raise Wrong(field, "too_large", text)
    return number


def read_short(field: str, text: str, most: int) -> str:
    """A text of at most so many characters."""
    if len(text) > most:
        raise Wrong(field, "too_long", text)
    return text


def read_list(field: str, text: str, most: int, longest: int) -> list[str]:
    """Texts parted by `;` or lines, each once."""
    parts = [part.strip() for part in re.split(r"[;；\n]", text)]
    found = list(dict.fromkeys(part for part in parts if part))
    if len(found) > most:
        raise Wrong(field, "too_large", text)
    return [read_short(field, part, longest) for part in found]


def read_options(text: str) -> dict[str, str]:
    """`颜色:红;尺码:L` as option -> value, at most three."""
    found: dict[str, str] = {}
    for part in read_list("options", text, 3, 41):
        name, mark, value = (piece.strip() for piece in part.replace("：", ":").partition(":"))
        if not (mark and name and value) or name in found:
            raise Wrong("options", "malformed", text)
        found[read_short("options", name, 20)] = read_short("options", value, 20)
    return found


def read_kind(text: str) -> ProductKind:
    """实物, 虚拟 or 服务; physical, virtual or service."""
    kind = _KINDS.get(text.lower())
    if kind is None:
        raise Wrong("kind", "unknown", text)
    return kind


def read_yes(field: str, text: str) -> bool:
    """是 or 否; yes or no."""
    plain = text.lower()
    if plain not in YES | NO:
        raise Wrong(field, "unknown", text)
    return plain in YES


# --- lines of a product, and of a count -------------------------------------------------------


class SkuLine(NamedTuple):
    """A SKU as a line tells it; None: as it is, or the default of a new one."""

    line_no: int
    sku_code: str
    options: dict[str, str] | None
    price_fen: int
    market_price_fen: int | None
    member_price_fen: int | None
    weight_g: int | None
    stock: int


def read_sku(line: Line) -> SkuLine:
    """The SKU of a line; raises Wrong."""
    cells = line.cells

    def price(field: str) -> int | None:
        return read_price(field, cells[field]) if field in cells else None

    return SkuLine(
        line.line_no,
        read_short("sku_code", line.need("sku_code"), 40),
        read_options(cells["options"]) if "options" in cells else None,
        read_price("price", line.need("price")),
        price("market_price"),
        price("member_price"),
        read_whole("weight_g", cells["weight_g"], 1_000_000) if "weight_g" in cells else None,
        read_whole("stock", cells["stock"], 1_000_000) if "stock" in cells else 0,
    )


class ProductLines(NamedTuple):
    """The lines of one product: they follow each other under one title."""

    title: str
    lines: list[Line]


MAX_SKUS = 200


def group_products(lines: Iterable[Line]) -> Iterator[ProductLines]:
    """Lines of one product together: the same title, or none, as the line above."""
    group: ProductLines | None = None
    for line in lines:
        title = line.cells.get("title", "")
        if group is None or (title and title != group.title):
            if group is not None:
                yield group
            group = ProductLines(title, [])
        group.lines.append(line)
    if group is not None:
        yield group


class CountLine(NamedTuple):
    """A counted SKU: the difference to what stood in the books, at a version of them."""

    line_no: int
    sku_code: str
    delta: int
    version: int
    reason: str


def read_count(line: Line) -> CountLine:
    """The count of a line; raises Wrong."""
    if "version" not in line.cells:
        raise Wrong("version", "version_missing")
    counted = read_whole("counted", line.need("counted"), 1_000_000)
    on_hand = read_whole("on_hand", line.need("on_hand"), 1_000_000)
    return CountLine(
        line.line_no,
        read_short("sku_code", line.need("sku_code"), 40),
        counted - on_hand,
        read_whole("version", line.cells["version"], 2**31 - 1),
        read_short("reason", line.cells.get("reason", "盘点导入"), 200),
    )


def refusal(kind: TaskKind, line: Line, wrong: Wrong) -> RefusedLine:
    """A line that was not taken, as it is reported."""
    content = wrong.content or line.cells.get(wrong.field, "")
    return RefusedLine(line.line_no, title_of(kind, wrong.field), wrong.reason, content[:500])
