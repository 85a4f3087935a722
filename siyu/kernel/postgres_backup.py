"""Copies of the embedded PostgreSQL that can be brought back to any moment.

A *base backup* is a whole copy of the cluster, taken while it runs and verified by checksum. The
write-ahead log that follows it (16 MB segments, compressed) leads from there to any later moment.
`keep_log` switches its archiving on; PostgreSQL then puts each finished segment into
`home/archive`, from where `ship_log` moves it to the backup folder, which may be another disk.
"""

import asyncio
import contextlib
import gzip
import os
import re
import shutil
import subprocess
import tarfile
import time
from datetime import datetime
from pathlib import Path

import asyncpg

from siyu.kernel.postgres import Cluster
from siyu.kernel.postgres_server import PostgresUnavailable, Server

_SEGMENT = re.compile(r"[0-9A-F]{24}")
_ARCHIVED_WITHIN = 60
_LABEL_START = re.compile(r"START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)")
_RECOVERY = """
restore_command = 'cp ../restored_log/%f %p'
recovery_target_action = 'promote'
"""


class BackupFailed(RuntimeError):
    """A copy is not usable, or could not be made; the message says why."""


async def keep_log(cluster: Cluster) -> None:
    """Archive the log of this cluster from now on, each segment after a minute at the latest."""
    folder = cluster.server.archive
    if not folder.exists():
        folder.mkdir(mode=0o700)
        cluster.server.give_tree_to_owner(folder)
    connection = await _admin(cluster)
    try:
        if await connection.fetchval("select current_setting('archive_timeout')") != "1min":
            await connection.execute("alter system set archive_timeout = '60s'")
            await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()


async def finish_segment(cluster: Cluster) -> None:
    """Put all that is committed until now into the archive; returns when it lies there."""
    connection = await _admin(cluster)
    try:
        # A commit that is known to be later than everything before: recovery can stop behind it.
        await connection.execute("select pg_current_xact_id()")
        segment = await connection.fetchval("select pg_walfile_name(pg_current_wal_insert_lsn())")
        await connection.execute("select pg_switch_wal()")
        deadline = time.monotonic() + _ARCHIVED_WITHIN
        while not (cluster.server.archive / segment).exists():
            done = await connection.fetchval("select last_archived_wal from pg_stat_archiver")
            if done is not None and done[8:] >= segment[8:]:
                break  # shipped already by somebody else
            if time.monotonic() > deadline:
                raise BackupFailed(f"the log segment {segment} was not archived in time")
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


def ship_log(home: Path, target: Path) -> int:
    """Move finished segments, compressed, to the folder `target`; how many."""
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    shipped = 0
    for file in sorted((home / "archive").glob("[0-9A-F]*")):
        fresh = target / f".{file.name}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            with file.open("rb") as source, gzip.open(fresh, "wb", compresslevel=1) as copy:
                shutil.copyfileobj(source, copy)
            with fresh.open("rb") as written:
                os.fsync(written.fileno())
            fresh.rename(target / f"{file.name}.gz")
            file.unlink()
            shipped += 1
        fresh.unlink(missing_ok=True)
    return shipped


async def copy_base(cluster: Cluster, target: Path) -> str:
    """A verified copy of the cluster as the file `target` (tar.gz, with the two passwords).

    Returns the name of the first log segment it needs. Raises BackupFailed.
    """
    server = cluster.server
    copy = cluster.home / "pgdata.copy"

    def work() -> str:
        shutil.rmtree(copy, ignore_errors=True)
        try:
            with server.superuser() as address:
                _checked(
                    server.run(
                        "pg_basebackup", "-D", copy, "-X", "stream", "-c", "fast",
                        "--manifest-checksums", "SHA256", "-d", address,
                    )
                )  # fmt: skip
            _checked(server.run("pg_verifybackup", "-q", copy))
            label = _LABEL_START.search((copy / "backup_label").read_text())
            assert label, "PostgreSQL names the start in backup_label"
            with tarfile.open(target, "w:gz", compresslevel=1) as archive:
                archive.add(copy, "pgdata", filter=_nobodys)
                for name in ("postgres.password", "siyu.password"):
                    archive.add(cluster.home / name, name, filter=_nobodys)
            return label[1]
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    return await asyncio.to_thread(work)


def unpack(home: Path, base: Path, log: Path, until: datetime | None) -> None:
    """Make the cluster `home` of a base backup, so that its next start replays the log.

    base: what `copy_base` wrote; log: where `ship_log` put the segments; until: the moment to
    stop at (None: the end of the log). Raises BackupFailed when the copy is damaged.
    """
    server = Server(home)
    server.prepare_home()
    if server.data.exists():
        raise BackupFailed(f"{home} holds a cluster already")
    try:
        with tarfile.open(base) as archive:
            archive.extractall(home, filter="data")
        server.data.chmod(0o700)
        segments = home / "restored_log"
        segments.mkdir()
        for file in sorted(log.glob("*.gz")):
            with gzip.open(file) as source, (segments / file.stem).open("wb") as copy:
                shutil.copyfileobj(source, copy)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise BackupFailed(f"a file of the backup cannot be read: {error}") from error
    server.give_tree_to_owner(home)
    server.prepare()
    # The log in the copy itself carries it to its own end; a manifest proves each file.
    _checked(server.run("pg_verifybackup", "-q", server.data))
    target = f"recovery_target_time = '{until.isoformat()}'\n" if until else ""
    with (server.data / "postgresql.auto.conf").open("a") as file_:
        file_.write(_RECOVERY + target)
    (server.data / "recovery.signal").touch()
    server.give_tree_to_owner(server.data)


async def finish_recovery(cluster: Cluster) -> datetime | None:
    """Wait until a cluster made by `unpack` has replayed its log; the last moment it knows."""
    connection = await _admin(cluster)
    try:
        while await connection.fetchval("select pg_is_in_recovery()"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for name in ("restore_command", "recovery_target_time", "recovery_target_action"):
            await connection.execute(f"alter system reset {name}")
        last: datetime | None = await connection.fetchval("select pg_last_xact_replay_timestamp()")
    finally:
        await connection.close()
    shutil.rmtree(cluster.home / "restored_log", ignore_errors=True)
    return last


def forget_log(log: Path, first_needed: str) -> int:
    """Delete segments older than the one the oldest kept base backup begins with; how many."""
    old = [file for file in log.glob("*.gz") if _is_older(file.stem, first_needed)]
    for file in old:
        file.unlink()
    return len(old)


def _is_older(name: str, first_needed: str) -> bool:
    # The first eight digits count time lines; the rest is the place in the log.
    return _SEGMENT.match(name) is not None and name[8:24] < first_needed[8:]


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the names and numbers of this machine's users."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _checked(done: "subprocess.CompletedProcess[str]") -> None:
    if done.returncode != 0:
        raise BackupFailed((done.stderr or done.stdout).strip())


async def _admin(cluster: Cluster) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        return await asyncpg.connect(cluster.admin_url(), timeout=10)
    except OSError as error:
        raise PostgresUnavailable(str(error)) from error
