"""The worker process: jobs, reactions and scheduled work, until told to stop."""

import asyncio
import signal

from siyu.app import processes, schedule
from siyu.app.event_map import EVENT_MAP
from siyu.kernel import config, logs, worker


async def run(settings: config.Settings) -> None:
    """Work until SIGTERM; what is cut off comes back by itself."""
    logs.set_up(settings.log_level)
    assert schedule.MODULES, "importing the schedule registers the work"
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for kind in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(kind, stop.set)
    async with processes.program_database(settings):
        await worker.run(EVENT_MAP, stop)
