"""What the worker does for experiments."""

from siyu.kernel.db import system_transaction
from siyu.kernel.jobs import every, for_each
from siyu.people.experiments import queries, service


@every("11 * * * *")
async def review_experiments() -> None:
    """Each hour: stop what breaks a guard, give bandits their new weights."""
    async with system_transaction() as tx:
        running = await queries.list_running(tx)
    await for_each(service.review, running)
