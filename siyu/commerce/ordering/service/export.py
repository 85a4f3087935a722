"""Orders as a table for people: streamed, in their own language and time zone, and inert in a
spreadsheet.
"""

from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.queries import ExportLine, OrderFilter
from siyu.kernel import tables
from siyu.kernel.db import reading
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.kernel.tables import Cell, inert, local, major

HEADER: dict[Language, list[str]] = {
    "zh-CN": [
        "订单号", "类型", "来源", "状态", "客户编号", "下单时间", "支付时间", "行号", "商品编号",
        "商品", "规格", "数量", "单价", "优惠", "小计", "已退数量", "已退金额",
        "订单金额", "备注",
    ],
    "en": [
        "Order number", "Kind", "Source", "State", "Customer number", "Placed", "Paid", "Line",
        "Product number", "Product", "Options", "Quantity", "Unit price", "Discount", "Line total",
        "Pieces returned", "Refunded", "Order total", "Remark",
    ],
}  # fmt: skip
OWN_SOURCE: dict[Language, str] = {"zh-CN": "本店", "en": "This shop"}
ROWS_AT_ONCE = 500


def write_csv(
    shop_id: ShopId, wanted: OrderFilter, time_zone: str, language: Language
) -> AsyncIterator[bytes]:
    """All matching lines as CSV."""
    return tables.write_csv(HEADER[language], _batches(shop_id, wanted, time_zone, language))


def write_xlsx(
    shop_id: ShopId, wanted: OrderFilter, time_zone: str, language: Language
) -> AsyncIterator[bytes]:
    """All matching lines as XLSX."""
    return tables.write_xlsx(HEADER[language], _batches(shop_id, wanted, time_zone, language))


def order_rows(
    shop_id: ShopId, time_zone: str, language: Language
) -> AsyncIterator[list[list[Cell]]]:
    """All lines of all orders, under HEADER."""
    return _batches(shop_id, OrderFilter(), time_zone, language)


async def _batches(
    shop_id: ShopId, wanted: OrderFilter, time_zone: str, language: Language
) -> AsyncIterator[list[list[Cell]]]:
    zone = ZoneInfo(time_zone)
    rows: list[list[Cell]] = []
    async with reading(shop_id) as tx:
        async for line in queries.stream_export(tx, wanted):
            rows.append(_row(line, zone, language))
            if len(rows) == ROWS_AT_ONCE:
                yield rows
                rows = []
    yield rows


def _row(line: ExportLine, zone: ZoneInfo, language: Language) -> list[Cell]:
    return [
        line.order_no,
        rules.KIND_WORDS[line.kind][language],
        OWN_SOURCE[language] if line.source == "shop" else inert(line.source),
        rules.STATUS_WORDS[line.status][language],
        line.person_no,
        local(line.placed_at, zone),
        local(line.paid_at, zone),
        line.line_no,
        line.product_no,
        inert(line.title),
        inert(" / ".join(line.option_values)),
        line.quantity,
        major(line.list_price_fen),
        major(line.discount_fen),
        major(line.line_total_fen),
        line.refunded_quantity,
        major(line.refunded_fen),
        major(line.order_total_fen),
        inert(line.remark),
    ]
