"""Counted stock: each line moves what is on hand by its difference, against the counted version."""

from collections.abc import Sequence
from uuid import UUID

from siyu.commerce.bulk import rules
from siyu.commerce.bulk.contracts import Counts, RefusedLine, TaskKind
from siyu.commerce.bulk.rules import CountLine, Line, Wrong
from siyu.commerce.catalog import service as catalog
from siyu.commerce.inventory import service as inventory
from siyu.commerce.inventory.contracts import StockChanged
from siyu.kernel.audit import Actor
from siyu.kernel.db import Tx
from siyu.kernel.errors import SiyuError


def read_counts(
    lines: Sequence[Line], seen: set[str]
) -> tuple[list[tuple[Line, CountLine]], list[RefusedLine]]:
    """The counts of some lines, and those that are none; codes go into `seen`."""
    counts: list[tuple[Line, CountLine]] = []
    refused: list[RefusedLine] = []
    for line in lines:
        try:
            count = rules.read_count(line)
            if count.sku_code in seen:
                raise Wrong("sku_code", "repeated", count.sku_code)
            seen.add(count.sku_code)
            counts.append((line, count))
        except Wrong as error:
            refused.append(rules.refusal(TaskKind.STOCK_IN, line, error))
    return counts, refused


async def write_counts(
    tx: Tx,
    actor: Actor,
    counts: Sequence[tuple[Line, CountLine]],
    warehouse_id: UUID | None = None,
) -> tuple[Counts, list[RefusedLine]]:
    """Move the stock of SKUs that were counted in a warehouse (none named: the default one); what
    became of the lines, and those that came too late.

    Rows are locked in the order of their SKUs. A refusal of one changes nothing of the others.
    """
    skus = await catalog.find_skus(tx, [count.sku_code for _, count in counts])
    refused: list[RefusedLine] = []
    changed = same = 0

    def refuse(line: Line, field: str, reason: str, content: str = "") -> None:
        refused.append(rules.refusal(TaskKind.STOCK_IN, line, Wrong(field, reason, content)))

    known = [(line, count) for line, count in counts if count.sku_code in skus]
    levels = await inventory.list_levels(tx, [skus[count.sku_code].sku_id for _, count in known])
    for line, count in counts:
        if count.sku_code not in skus:
            refuse(line, "sku_code", "unknown", count.sku_code)
    for line, count in sorted(known, key=lambda pair: skus[pair[1].sku_code].sku_id):
        sku_id = skus[count.sku_code].sku_id
        level = levels.get(sku_id)
        if not count.delta and level and level.version == count.version:
            same += 1
            continue
        try:
            if not count.delta:
                raise StockChanged(**({"version": level.version} if level else {}))
            await inventory.adjust(
                tx,
                actor,
                sku_id,
                delta=count.delta,
                expected_version=count.version,
                reason=count.reason,
                warehouse_id=warehouse_id,
            )
            changed += 1
        except SiyuError as error:
            field = "version" if isinstance(error, StockChanged) else "counted"
            said = ", ".join(f"{name}: {value}" for name, value in error.details.items())
            refuse(line, field, error.code, said)
    return Counts(changed=changed, same=same), refused
