"""What happens later by itself, on WeChat's clock: refunds arrive, splits finish, deadlines pass.

A task is written down with the moment it is due and carried out when that has come: before each
request, before each delivery and while the sandbox runs. It happens at its own moment, so turning
the clock by days gives every event its right time, in the right order.
"""

from collections.abc import Callable

import msgspec

from siyu.sandbox.world import World


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """`number` says what of: a refund_id, an order_id, a transaction_id, a transfer's number."""

    task_id: int
    due_at: float
    kind: str
    number: str


Handler = Callable[[World, Task], None]
_handlers: dict[str, Handler] = {}


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Says who carries out a kind of task; it must bear that nothing is left to do."""

    def register(handler: Handler) -> Handler:
        _handlers[kind] = handler
        return handler

    return register


def plan(world: World, kind: str, number: str, due_at: float) -> None:
    """Write a task down in the caller's transaction."""
    world.store.run(
        "insert into tasks (due_at, kind, number) values (?, ?, ?)", due_at, kind, number
    )
    world.due.set()


def soon(world: World, kind: str, number: str, setting: str, at: float) -> None:
    """Plan for after the seconds that operators have set, as fast as the schedule runs."""
    seconds = float(world.setting(setting, str(SECONDS[setting]))) / world.time_factor()
    plan(world, kind, number, at + seconds)


# How long WeChat takes; operators may change it.
SECONDS = {"refund_seconds": 5.0, "split_seconds": 5.0, "transfer_seconds": 3.0}


def run_due(world: World) -> None:
    """Carry out what is due, oldest first, each in its own transaction."""
    while task := world.store.maybe(
        Task, "select * from tasks where due_at <= ? order by due_at, task_id limit 1", world.at()
    ):
        with world.store.writing():
            world.store.run("delete from tasks where task_id = ?", task.task_id)
            _handlers[task.kind](world, task)
