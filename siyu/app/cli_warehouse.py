"""The `siyu warehouse` commands."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from siyu.app import processes
from siyu.kernel import config

warehouse_app = typer.Typer(no_args_is_help=True)


def show(value: Any) -> None:
    """Print a result as JSON."""
    print(json.dumps(msgspec.to_builtins(value), ensure_ascii=False))


@warehouse_app.command("verify")
def verify_warehouse() -> None:
    """Check that files, tail and batches agree; fails when they do not."""
    from siyu.warehouse.compaction import service as warehouse

    report = _connected(warehouse.verify)
    show(report)
    raise typer.Exit(not report.ok)


@warehouse_app.command("compact")
def compact_warehouse() -> None:
    """Seal the tail and write it to files now, take out what must go, merge, clean up."""
    from siyu.warehouse.compaction import service as warehouse

    show(_connected(warehouse.compact))


@warehouse_app.command("rebuild")
def rebuild_warehouse(
    month: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m"], help="Only the files of this month.")
    ] = None,
    from_files: Annotated[
        bool, typer.Option("--from-files", help="The books are lost: recover them from the files.")
    ] = False,
) -> None:
    """Write all files again from what they hold, in the present layout."""
    from rich.progress import Progress

    from siyu.warehouse.compaction import service as warehouse

    if from_files:
        show(_connected(warehouse.recover))
        return
    with Progress() as bar:
        task = bar.add_task("events", total=None)
        rebuilt = _connected(
            lambda: warehouse.rebuild(
                month.date() if month else None,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        )
    show({"rebuilt": rebuilt})


@warehouse_app.command("erase")
def erase_person(
    person: Annotated[int, typer.Argument(help="The person's number in the shop.")],
    shop: Annotated[str, typer.Option("--shop", help="The shop's code.")],
) -> None:
    """Take a person's events out of every file, for good; fails when something keeps them."""
    from siyu.kernel.audit import System
    from siyu.kernel.errors import NotFound
    from siyu.merchant.shops import service as shops
    from siyu.warehouse.compaction import service as warehouse

    async def work() -> bool:
        found = await shops.resolve_shop(shop)
        if found is None:
            raise NotFound
        persons = await warehouse.ask_erasure(found.shop_id, person, System())
        await warehouse.run_round()
        erasures = [
            e for e in await warehouse.list_erasures(found.shop_id) if e.person_no in persons
        ]
        show(erasures)
        return all(erasure.done_at for erasure in erasures)

    raise typer.Exit(not _connected(work))


def _connected(work: Callable[[], Awaitable[Any]]) -> Any:
    async def connected() -> Any:
        async with processes.connected(config.settings()):
            return await work()

    return asyncio.run(connected())
