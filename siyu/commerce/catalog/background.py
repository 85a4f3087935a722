"""What the worker runs for the catalogue."""

from typing import Protocol

from siyu.commerce.catalog import service
from siyu.commerce.catalog.contracts import SoldLine
from siyu.kernel.db import Tx


class PaidOrder(Protocol):
    """What is read of `ordering.order_paid`, an event of a floor above."""

    @property
    def lines(self) -> list[SoldLine]:
        """What was bought."""


async def on_order_paid(tx: Tx, event: PaidOrder) -> None:
    """Count the pieces sold of each product."""
    await service.count_sales(tx, event.lines)
