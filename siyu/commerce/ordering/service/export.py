"""Orders as a table for people: streamed, in their own time zone, and inert in a spreadsheet."""

from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

from siyu.commerce.ordering import queries
from siyu.commerce.ordering.queries import ExportLine, OrderFilter
from siyu.kernel import tables
from siyu.kernel.db import reading
from siyu.kernel.ids import ShopId
from siyu.kernel.tables import Cell, inert, local, major

HEADER = [
    "订单号", "类型", "来源", "状态", "客户编号", "下单时间", "支付时间", "行号", "商品编号",
    "商品", "规格", "数量", "单价", "优惠", "小计", "已退数量", "已退金额",
    "订单金额", "备注",
]  # fmt: skip
ROWS_AT_ONCE = 500


def write_csv(shop_id: ShopId, wanted: OrderFilter, time_zone: str) -> AsyncIterator[bytes]:
    """All matching lines as CSV."""
    return tables.write_csv(HEADER, _batches(shop_id, wanted, time_zone))


def write_xlsx(shop_id: ShopId, wanted: OrderFilter, time_zone: str) -> AsyncIterator[bytes]:
    """All matching lines as XLSX."""
    return tables.write_xlsx(HEADER, _batches(shop_id, wanted, time_zone))


def order_rows(shop_id: ShopId, time_zone: str) -> AsyncIterator[list[list[Cell]]]:
    """All lines of all orders, under HEADER."""
    return _batches(shop_id, OrderFilter(), time_zone)


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
