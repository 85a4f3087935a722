"""`siyu backup`, `siyu restore` and `siyu drill`: nothing that was acknowledged is ever lost.

A backup folder (setting `backup_dir`, best on another disk) holds

    base/20261122T113005Z/   postgres.tar.gz and backup.json; a verified copy of the database
    log/                     the database's log since the oldest copy: any later moment
    files/                   pictures, warehouse files and keys; added to, never taken from

The worker ships the log and new files every minute, so at most a minute is lost with the machine.
A restore goes into a new data folder and never touches the running one. The keys open people's
data: whoever can read the folder can read everything, so guard it as the server itself.
"""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from siyu import __version__
from siyu.app import processes, truths
from siyu.kernel import clock, config, db, migrate, postgres, postgres_backup
from siyu.kernel.jobs import every
from siyu.kernel.postgres_backup import BackupFailed
from siyu.kernel.postgres_server import DEDICATED_HOME, Server

log = logging.getLogger("siyu.backup")

KEPT_COPIES = 7
_NAME = "%Y%m%dT%H%M%SZ"
_FOLDERS = ("media", "evidence", "warehouse", "imports")
_FILES = ("keys.json", "sandbox.sqlite", "demo-login.json")


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """What `backup.json` says of a base copy; it can be restored to any moment since `until`."""

    name: str
    began_at: datetime
    until: datetime
    version: str
    steps: list[str]
    first_segment: str
    size_mb: float


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """A finished restore: the last commit it holds, and what was checked in it."""

    data_dir: str
    copy: str
    last_commit_at: datetime | None
    orders: int
    seconds: float
    violations: int
    line: str


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """A rehearsed disaster: the copy, the restore, and how far behind the living shop it was."""

    copy: Copy
    restored: Restored
    orders_alive: int
    orders_lost: int
    ok: bool


def folder_of(settings: config.Settings) -> Path:
    """The backup folder of an installation."""
    return settings.backup_dir or settings.data_dir / "backups"


async def back_up(settings: config.Settings) -> Copy:
    """Take a base copy, ship the log and the files, and let go of what is too old.

    Raises BackupFailed, also for a served PostgreSQL, which is copied by its own tools.
    """
    target = folder_of(settings)
    async with _embedded(settings) as cluster:
        began_at = clock.now()
        name = began_at.strftime(_NAME)
        fresh, folder = target / "base" / f".{name}", target / "base" / name
        fresh.mkdir(parents=True, mode=0o700)
        try:
            await postgres_backup.keep_log(cluster)
            # Before and after: a warehouse file that is compacted away meanwhile is needed too.
            copy_files(settings, target / "files")
            first = await postgres_backup.copy_base(cluster, fresh / "postgres.tar.gz")
            copy_files(settings, target / "files")
            await _ship(cluster, settings)
            copy = Copy(
                name=name,
                began_at=began_at,
                until=clock.now(),
                version=__version__,
                steps=migrate.step_names(),
                first_segment=first,
                size_mb=round((fresh / "postgres.tar.gz").stat().st_size / 2**20, 1),
            )
            (fresh / "backup.json").write_bytes(msgspec.json.encode(copy))
            os.sync()
            fresh.rename(folder)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    _forget(target)
    return copy


async def ship(settings: config.Settings) -> int:
    """Ship the log and the files until now; how many segments went."""
    async with _embedded(settings) as cluster:
        copy_files(settings, folder_of(settings) / "files")
        return await _ship(cluster, settings)


@every(seconds=60)
async def ship_every_minute() -> None:
    """Keep the backup folder at most a minute behind, once there is a first copy in it."""
    settings = config.settings()
    if settings.database_url is None and list_copies(folder_of(settings)):
        await ship(settings)


def list_copies(target: Path) -> list[Copy]:
    """The base copies in a backup folder, the oldest first."""
    found = sorted(target.glob("base/[0-9]*/backup.json"))
    return [msgspec.json.decode(file.read_bytes(), type=Copy) for file in found]


async def restore(source: Path, data_dir: Path, until: datetime | None = None) -> Restored:
    """Make the installation of a moment in `data_dir`, an empty or new folder, and check it.

    until: that moment; None is the last that was shipped. Every truth is asked and the ledger
    proved before it returns. Raises BackupFailed.
    """
    began = clock.now()
    if data_dir.exists() and any(data_dir.iterdir()):
        raise BackupFailed(f"{data_dir} is not empty; a restore never overwrites anything")
    copies = [copy for copy in list_copies(source) if until is None or copy.until <= until]
    if not copies:
        raise BackupFailed(f"{source} holds no copy from before that moment")
    reach = reach_of(source)
    if until is not None and reach is not None and until > reach:
        raise BackupFailed(f"the log in {source} reaches to {reach.isoformat()} only")
    copy = copies[-1]
    data_dir.mkdir(parents=True, exist_ok=True)
    mode = data_dir.stat().st_mode  # PostgreSQL's user passes through it; `files` is closed
    shutil.copytree(source / "files", data_dir, dirs_exist_ok=True)
    data_dir.chmod(mode)
    home = data_dir / "postgres"
    base = source / "base" / copy.name / "postgres.tar.gz"
    await asyncio.to_thread(postgres_backup.unpack, home, base, source / "log", until)
    try:
        async with postgres.embedded(home) as cluster:
            last = await postgres_backup.finish_recovery(cluster)
            orders, broken = await _check(cluster)
    except (postgres.PostgresUnavailable, *postgres.HUNG_UP) as error:
        # Whether it ended before it was asked, or in the middle of an answer, is a matter of luck.
        words = Server(home).last_words()
        raise BackupFailed(f"the log could not be replayed: {error}\n{words}") from error
    violations = sum(one.rows for one in broken)
    return Restored(
        data_dir=str(data_dir),
        copy=copy.name,
        last_commit_at=last,
        orders=orders,
        seconds=round((clock.now() - began).total_seconds(), 1),
        violations=violations,
        line=f"{'balanced' if not broken else 'not balanced'}, {violations} violations",
    )


async def drill(settings: config.Settings) -> Drill:
    """Rehearse the disaster: copy, restore elsewhere on this machine, check, compare, clean up."""
    copy = await back_up(settings)
    async with processes.connected(settings):
        alive = await _count_orders(db.database().url)
    await ship(settings)
    parent = DEDICATED_HOME if os.geteuid() == 0 else None
    if parent is not None:
        parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="drill-", dir=parent))
    folder.chmod(0o755)
    try:
        restored = await restore(folder_of(settings), folder / "data")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lost = max(0, alive - restored.orders)
    return Drill(
        copy=copy,
        restored=restored,
        orders_alive=alive,
        orders_lost=lost,
        ok=lost == 0 and restored.violations == 0,
    )


def copy_files(settings: config.Settings, target: Path) -> int:
    """Add to `target` what it does not have yet of pictures, warehouse files and keys."""
    copied = 0
    sources = [file for name in _FILES if (file := settings.data_dir / name).exists()]
    for name in _FOLDERS:
        sources += [file for file in (settings.data_dir / name).rglob("*") if file.is_file()]
    for file in sources:
        copy = target / file.relative_to(settings.data_dir)
        with contextlib.suppress(FileNotFoundError):  # compacted away, or written meanwhile
            here = file.stat()
            there = copy.stat() if copy.exists() else None
            if there and there.st_size == here.st_size and there.st_mtime >= here.st_mtime:
                continue
            copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = copy.with_name(f".{copy.name}.{os.getpid()}")
            shutil.copy2(file, fresh)
            fresh.rename(copy)
            copied += 1
    return copied


async def _ship(cluster: postgres.Cluster, settings: config.Settings) -> int:
    target = folder_of(settings)
    reached = clock.now()
    await postgres_backup.finish_segment(cluster)
    shipped = await asyncio.to_thread(postgres_backup.ship_log, cluster.home, target / "log")
    note = target / "log" / "reach.json"
    fresh = note.with_name(f".reach.{os.getpid()}")
    fresh.write_text(json.dumps({"until": reached.isoformat()}))
    fresh.rename(note)
    return shipped


def reach_of(source: Path) -> datetime | None:
    """The last moment that a backup folder can bring back."""
    with contextlib.suppress(FileNotFoundError):
        noted = json.loads((source / "log" / "reach.json").read_text())
        return datetime.fromisoformat(noted["until"])
    return None


def _forget(target: Path) -> None:
    copies = list_copies(target)
    for copy in copies[:-KEPT_COPIES]:
        shutil.rmtree(target / "base" / copy.name)
    kept = copies[-KEPT_COPIES:]
    postgres_backup.forget_log(target / "log", min(copy.first_segment for copy in kept))


@contextlib.asynccontextmanager
async def _embedded(settings: config.Settings) -> Any:
    home = settings.data_dir / "postgres"
    if not home.exists():
        raise BackupFailed(
            "only the embedded PostgreSQL is copied here; for a served one use its own tools "
            "(pg_basebackup, pgBackRest) and copy the data folder beside it"
        )
    async with postgres.embedded(home) as cluster:
        yield cluster


async def _check(cluster: postgres.Cluster) -> tuple[int, list[truths.Asked]]:
    """Ask every truth of a restored installation."""
    opened = await db.Database.connect(cluster.url("siyu"), size=2)
    before = db.use(opened)
    try:
        return await _count_orders(cluster.url("siyu")), await truths.check()
    finally:
        db.use(before)
        await opened.close()


async def _count_orders(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("set role siyu_system")
        return int(await connection.fetchval("select count(*) from ordering.orders"))
    finally:
        await connection.close()
