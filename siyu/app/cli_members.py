"""The `siyu import members` command."""

import asyncio
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from siyu.app import processes
from siyu.app.cli_warehouse import show
from siyu.kernel import clock, config


def import_members(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV or XLSX, also in gzip.")
    ],
    shop: Annotated[str, typer.Option("--shop", help="The shop's code.")],
    quiet: Annotated[bool, typer.Option("--json", help="No progress, only the report.")] = False,
    refusals: Annotated[int, typer.Option(min=0, help="How many refused lines to show.")] = 20,
) -> None:
    """Import a list of members: phone, openid, unionid, card, email, name, level, joined_at.

    Columns may stand in any order and have Chinese names. An import that was killed goes on where
    it was when the command is run again with the same file.
    """
    report = asyncio.run(_work(file, shop, refusals, quiet=quiet))
    show(report)


async def _work(file: Path, shop: str, refusals: int, *, quiet: bool) -> dict[str, object]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from siyu.kernel.db import reading
    from siyu.kernel.errors import NotFound
    from siyu.merchant.shops import service as shops
    from siyu.merchant.shops.contracts import WeChatNotSet
    from siyu.people.members import service as members

    async with processes.connected(config.settings()):
        found = await shops.resolve_shop(shop)
        if found is None:
            raise NotFound
        try:
            async with reading(found.shop_id) as tx:
                app_id = (await shops.mini_program_credentials(tx)).appid
        except WeChatNotSet:
            app_id = None
        began = clock.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[rows]:,} rows"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, disable=quiet) as bar:
            task = bar.add_task(file.name, total=file.stat().st_size, rows=0)
            report = await members.import_list(
                found.shop_id,
                file,
                app_id,
                ZoneInfo(found.time_zone),
                lambda rows, position: bar.update(task, completed=position, rows=rows),
            )
        seconds = clock.monotonic() - began
        counts, first = await members.explain_refusals(found.shop_id, report.import_id, refusals)
    return {
        **msgspec.to_builtins(report),
        "seconds": round(seconds, 1),
        "refused_for": msgspec.to_builtins(counts),
        "refused_lines": msgspec.to_builtins(first),
    }
