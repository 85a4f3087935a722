"""What the worker runs for the tail."""

from siyu.kernel.jobs import every
from siyu.warehouse.tail import service


@every(seconds=5)
async def consume() -> None:
    """Take over what the outbox has, page by page."""
    while await service.consume_outbox():
        pass


@every("17 4 * * *")
async def forget_rejects() -> None:
    """Refused events are kept for 30 days."""
    await service.forget_rejects()
