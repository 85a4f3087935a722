"""Pure decisions of inventory."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from siyu.commerce.inventory.contracts import MAX_QUANTITY, BadQuantity


def sum_demand(lines: Iterable[tuple[UUID, int]]) -> dict[UUID, int]:
    """What several lines want of each SKU together: two lines are not checked apart (F042)."""
    demand: dict[UUID, int] = {}
    for sku_id, quantity in lines:
        demand[sku_id] = demand.get(sku_id, 0) + quantity
    return demand


def check_delta(delta: int) -> None:
    """Raise BadQuantity for a correction that corrects nothing or is beyond all sense."""
    if not 1 <= abs(delta) <= MAX_QUANTITY:
        raise BadQuantity(delta=delta)


def check_demand(demand: Mapping[UUID, int]) -> None:
    """Raise BadQuantity unless there is demand and all of it lies in 1..MAX_QUANTITY."""
    if not demand or not all(1 <= quantity <= MAX_QUANTITY for quantity in demand.values()):
        raise BadQuantity(quantities={str(sku): quantity for sku, quantity in demand.items()})


def allot(free: Sequence[tuple[UUID, int]], wanted: Sequence[int]) -> list[list[tuple[UUID, int]]]:
    """Which warehouse serves whom: for each wish its parts (warehouse, pieces), first come first
    served, each warehouse emptied before the next. The last one takes what is too much.
    """
    left = [*free]
    parts: list[list[tuple[UUID, int]]] = []
    for pieces in wanted:
        mine: list[tuple[UUID, int]] = []
        while pieces:
            place, has = left[0]
            taken = pieces if len(left) == 1 else min(pieces, has)
            if taken:
                mine.append((place, taken))
            pieces -= taken
            left[0] = (place, has - taken)
            if pieces:
                left.pop(0)
        parts.append(mine)
    return parts
