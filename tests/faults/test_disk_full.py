"""F116: the disk of the database is full, and then it is not any more."""

import asyncio
import contextlib
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from siyu.kernel import db, migrate
from siyu.kernel.db import Database, reading, transaction
from siyu.kernel.errors import Busy
from siyu.kernel.events import Event, emit
from siyu.kernel.ids import ShopId
from siyu.kernel.postgres import Cluster, embedded

SHOP = ShopId(1)


class Noted(Event, frozen=True):
    name = "tests.noted_on_a_small_disk"
    text: str


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 200 MB of its own."""
    folder = Path(tempfile.mkdtemp(prefix="siyu-disk-"))
    folder.chmod(0o755)
    command = ["mount", "-t", "tmpfs", "-o", "size=200m,mode=755", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


@pytest.fixture
async def cramped(small_disk: Path) -> AsyncIterator[Cluster]:
    """A database on the small disk, in force for this process."""
    async with embedded(small_disk / "home") as cluster:
        await cluster.create_database("small")
        connection = await asyncpg.connect(cluster.owner_url("small"))
        await migrate.apply_schemas(connection)
        await connection.close()
        opened = await Database.connect(cluster.url("small"), size=4)
        before = db.use(opened)
        yield cluster
        db.use(before)
        await opened.close()


def fill(disk: Path) -> Path:
    """Take the last free byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return ballast


async def note(number: int) -> None:
    async with transaction(SHOP) as tx:
        for part in range(20):
            emit(tx, Noted(text=f"{number} {part} {secrets.token_hex(5_000)}"))


async def count() -> int:
    async with reading(SHOP) as tx:
        return int(await tx.value("select count(*) from kernel.outbox"))


async def heal(number: int) -> None:
    """Write as soon as it goes; at most 10 s after there is room."""
    freed = time.monotonic()
    while True:
        with contextlib.suppress(Busy):
            return await note(number)
        assert time.monotonic() - freed < 10, "it did not heal"
        await asyncio.sleep(0.1)


async def test_a_full_disk_refuses_writes_and_goes_on_reading(
    cramped: Cluster, small_disk: Path
) -> None:
    """F116: writes are Busy (503), reads go on, nothing acknowledged is lost, and it heals."""
    await note(0)
    ballast = fill(small_disk)
    acknowledged = 20
    for number in range(1, 6):
        with contextlib.suppress(Busy):
            await note(number)
            acknowledged += 20
        assert await count() == acknowledged
    assert acknowledged < 120, "nothing was refused"
    ballast.unlink()
    await heal(6)
    assert await count() == acknowledged + 20


async def test_a_server_that_fell_for_want_of_room_comes_back(
    cramped: Cluster, small_disk: Path
) -> None:
    """F116: where its log finds no room PostgreSQL stops itself; with room it is started again."""
    await note(0)
    ballast = fill(small_disk)
    while cramped.server.alive():
        with contextlib.suppress(Busy):
            async with transaction(SHOP) as tx:
                await tx.value("select pg_logical_emit_message(true, '', repeat('.', 1000000))")
        await asyncio.sleep(0.02)
    with pytest.raises(Busy):
        await count()
    ballast.unlink()
    await heal(1)
    assert await count() == 40
