"""What the worker runs for the compactor."""

from siyu.kernel.jobs import every
from siyu.warehouse.compaction import service


@every(seconds=60)
async def compact() -> None:
    """Seal when due, compact sealed slots, merge, collect; one process at a time."""
    await service.run_round()
