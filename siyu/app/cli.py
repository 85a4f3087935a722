"""The `siyu` command."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from siyu import __version__
from siyu.app import processes
from siyu.app.cli_bench import AsJson, bench_app, show
from siyu.app.cli_members import import_members
from siyu.app.cli_warehouse import warehouse_app
from siyu.kernel import config
from siyu.kernel.errors import SiyuError
from siyu.merchant.staff.contracts import Role

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
shop_app = typer.Typer(no_args_is_help=True)
staff_app = typer.Typer(no_args_is_help=True)
import_app = typer.Typer(no_args_is_help=True)
mini_program_app = typer.Typer(no_args_is_help=True)
app.add_typer(shop_app, name="shop", help="Shops of this installation.")
app.add_typer(staff_app, name="staff", help="People who may use the console.")
app.add_typer(import_app, name="import", help="Bring history in.")
app.add_typer(bench_app, name="bench", help="Figures beside their limit, measured in one run.")
app.add_typer(warehouse_app, name="warehouse", help="The event warehouse.")
app.add_typer(mini_program_app, name="mini-program", help="The shop's mini-program.")

ShopCode = Annotated[str, typer.Option("--shop", help="The shop's code.")]


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def serve() -> None:
    """Web and worker in one process tree, for one small server."""
    settings = config.settings()
    asyncio.run(processes.serve(settings, f"siyu: {settings.public_url}/console/"))


@app.command()
def web(
    app: Annotated[str, typer.Option(hidden=True, help="For measurements.")] = (
        "siyu.app.http:create_app"
    ),
) -> None:
    """The web process alone."""
    from siyu.app import serving

    serving.serve(app, config.settings())


@app.command()
def worker() -> None:
    """The worker process alone: jobs, reactions to events, scheduled work."""
    from siyu.app import worker as worker_process

    asyncio.run(worker_process.run(config.settings()))


@app.command()
def sandbox(
    port: Annotated[int | None, typer.Option(help="Port of the local WeChat.")] = None,
) -> None:
    """A local WeChat for development, with a phone at /phone/."""
    from siyu.sandbox import app as local_wechat

    settings = config.settings()
    port = port or settings.sandbox_port
    local_wechat.serve(
        local_wechat.SandboxSettings(
            data_dir=settings.data_dir,
            public_url=settings.sandbox_url or f"http://{settings.sandbox_host}:{port}",
            time_factor=60,
        ),
        settings.sandbox_host,
        port,
    )


@app.command()
def demo(
    smoke: Annotated[
        bool, typer.Option("--smoke", help="One purchase end to end, printed as JSON.")
    ] = False,
    bare: Annotated[
        bool, typer.Option("--bare", help="No history, no customers; addresses as JSON.")
    ] = False,
) -> None:
    """A running shop with pictures, history and customers, on a local WeChat."""
    from siyu.app import demo as demo_shop

    work = demo_shop.smoke if smoke else demo_shop.run_bare if bare else demo_shop.run
    asyncio.run(work())


@app.command()
def migrate() -> None:
    """Bring the database up to date."""
    from siyu.kernel import migrate as steps

    async def work() -> None:
        async with processes.ready_database(config.settings()):
            show({"steps": steps.step_names()})

    asyncio.run(work())


@app.command()
def verify() -> None:
    """Ask every truth of the data; fails when one does not hold."""
    from siyu.app import truths

    async def work() -> bool:
        async with processes.connected(config.settings()):
            broken = await truths.check()
            show(broken)
            return bool(broken)

    raise typer.Exit(asyncio.run(work()))


@app.command()
def backup(
    log_only: Annotated[
        bool, typer.Option("--log", help="Only ship what happened since the last copy.")
    ] = False,
) -> None:
    """Copy database, pictures, warehouse and keys to the backup folder."""
    from siyu.app import backup as copies

    settings = config.settings()
    show(asyncio.run(copies.ship(settings) if log_only else copies.back_up(settings)))


@app.command()
def restore(
    target: Annotated[Path, typer.Argument(help="The new data folder; must be empty.")],
    source: Annotated[Path | None, typer.Option("--from", help="The backup folder.")] = None,
    to: Annotated[
        str | None, typer.Option(help="A moment such as 2026-11-22T09:30:00+08:00.")
    ] = None,
) -> None:
    """Make the installation of a moment in a new folder, and check it; never overwrites."""
    from siyu.app import backup as copies

    moment = datetime.fromisoformat(to).astimezone(UTC) if to else None
    source = source or copies.folder_of(config.settings())
    restored = asyncio.run(copies.restore(source, target, moment))
    show(restored)
    print(restored.line)
    raise typer.Exit(restored.violations > 0)


@app.command()
def drill() -> None:
    """Rehearse the disaster: back up, restore elsewhere, check, compare; fails if anything is."""
    from siyu.app import backup as copies

    done = asyncio.run(copies.drill(config.settings()))
    show(done)
    print(done.restored.line)
    raise typer.Exit(not done.ok)


@app.command()
def prove(
    shop: Annotated[str | None, typer.Option(help="The shop's code; all shops without it.")] = None,
    order: Annotated[str | None, typer.Option(help="Also tell the story of this order.")] = None,
    language: Annotated[str, typer.Option(help="zh-CN or en.")] = "zh-CN",
    as_json: AsJson = False,
) -> None:
    """Prove the books: trial balance, every truth, the money of an order; fails when it cannot."""
    from siyu.app import prove as proof
    from siyu.app import prove_text
    from siyu.kernel.i18n import language_of

    async def work() -> list[proof.Proof]:
        async with processes.connected(config.settings()):
            return await proof.prove(shop, order, language_of(language))

    proofs = asyncio.run(work())
    print(prove_text.as_json(proofs) if as_json else prove_text.render(proofs))
    raise typer.Exit(any(one.violations for one in proofs))


@app.command()
def sim(
    seed: Annotated[int, typer.Option(help="The same seed gives the same run.")] = 1,
    days: Annotated[float, typer.Option(help="Days of the shop.")] = 3.0,
    members: Annotated[int, typer.Option(help="People who come and go.")] = 200,
    visits: Annotated[float, typer.Option(help="Visits a day, of all together.")] = 16.0,
    calm: Annotated[bool, typer.Option("--calm", help="Without faults.")] = False,
    eager: Annotated[str, typer.Option(help="What half of the visits are for.")] = "",
    runs: Annotated[int, typer.Option(help="So many seeds, one on each core.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Days of a shop against a WeChat that misbehaves; fails when anything does not hold."""
    from siyu.app import sim as simulation
    from siyu.app import sim_runs

    plan = simulation.Plan(
        seed=seed, days=days, members=members, visits=visits, calm=calm, eager=eager
    )
    if runs > 1:
        raise typer.Exit(not sim_runs.tell_all(plan, runs))
    report = simulation.run(plan)
    if as_json:
        show(report)
    else:
        simulation.tell(report)
    raise typer.Exit(not report.is_green)


@app.command()
def doctor(shop: Annotated[str | None, typer.Option(help="The shop's code.")] = None) -> None:
    """Test every setting and name the next step; fails when something is broken."""
    from siyu.app import doctor as checks

    async def work() -> bool:
        async with processes.connected(config.settings()):
            report = await checks.check(shop)
            for item in report.items:
                mark = {"ok": "✓", "warn": "!", "fail": "✗", "skip": "–"}[item.state]
                print(f"{mark} {item.title}: {item.found}")
                if item.next_step:
                    print(f"    → {item.next_step}")
            return any(item.state == "fail" for item in report.items)

    raise typer.Exit(asyncio.run(work()))


@shop_app.command("create")
def create_shop(
    code: Annotated[str, typer.Argument(help="Short name in addresses, such as `tea`.")],
    name: Annotated[str, typer.Argument(help="The name customers see.")],
    currency: str = "CNY",
    time_zone: str = "Asia/Shanghai",
) -> None:
    """Open a shop."""
    from siyu.kernel.audit import System
    from siyu.kernel.db import system_transaction
    from siyu.merchant.shops import service as shops

    async def work() -> None:
        async with processes.connected(config.settings()), system_transaction() as tx:
            made = await shops.create_shop(
                tx, System(), code=code, name=name, currency=currency, time_zone=time_zone
            )
            show(made)

    asyncio.run(work())


@staff_app.command("create")
def create_staff(
    login_name: str,
    name: str,
    shop: ShopCode,
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.OWNER,
) -> None:
    """Let somebody into the console; asks for the password."""
    from siyu.kernel.audit import System
    from siyu.kernel.db import system_transaction
    from siyu.kernel.errors import NotFound
    from siyu.merchant.shops import service as shops
    from siyu.merchant.staff import service as staff

    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)

    async def work() -> None:
        async with processes.connected(config.settings()):
            found = await shops.resolve_shop(shop)
            if found is None:
                raise NotFound
            hashed = await staff.hash_password(password, login_name)
            async with system_transaction(found.shop_id) as tx:
                staff_id = await staff.add_staff(
                    tx,
                    System(),
                    login_name=login_name,
                    name=name,
                    password_hash=hashed,
                    role=role,
                )
            show({"staff_id": staff_id})

    asyncio.run(work())


import_app.command("members")(import_members)


@import_app.command("orders")
def import_orders(
    files: Annotated[list[Path], typer.Argument(help="CSV, XLSX or .gz: lines, items, customers.")],
    shop: ShopCode,
    preset: Annotated[str | None, typer.Option(help="A saved column mapping.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Mapping such as quantity=Qty; repeat as needed.")
    ] = None,
    save_preset: Annotated[str | None, typer.Option(help="Keep the mapping by this name.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Check everything, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import orders of another system: repeatable, every bad row reported with its reason."""
    from siyu.commerce.ordering.service import import_history

    async def work() -> Any:
        async with processes.connected(config.settings()):
            return await import_history.import_files(
                shop,
                files,
                preset=preset,
                columns=dict(pair.split("=", 1) for pair in column or []),
                save_preset=save_preset,
                dry_run=dry_run,
                progress=not as_json,
            )

    show(asyncio.run(work()), as_json)


@mini_program_app.command("export")
def export_mini_program(target: Path, shop: ShopCode) -> None:
    """Copy the built mini-program, with the shop's appid and address written in, for DevTools."""
    from siyu.app import mini_program

    asyncio.run(mini_program.export(target, shop))


def main() -> None:
    """Entry point: refusals become one clear line and exit code 1."""
    from siyu.kernel.postgres import PostgresUnavailable
    from siyu.kernel.postgres_backup import BackupFailed

    try:
        app()
    except (config.ConfigError, SiyuError, PostgresUnavailable, BackupFailed) as error:
        sentence = error.message("zh-CN") if isinstance(error, SiyuError) else str(error)
        print(f"siyu: {sentence}", file=sys.stderr)
        raise SystemExit(1) from None
