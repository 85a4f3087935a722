"""A backup brings back any moment, and says so when it cannot."""

import asyncio
import gzip
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from siyu.app import backup, doctor_checks, processes
from siyu.app.doctor_checks import Patient
from siyu.kernel import clock, config, db, postgres, postgres_backup
from siyu.kernel.audit import System
from siyu.kernel.db import system_transaction
from siyu.kernel.postgres_backup import BackupFailed
from siyu.merchant.shops import service as shops


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="siyu-backup-"))
    made.chmod(0o755)  # PostgreSQL's user must reach its home through it
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
async def installed(folder: Path) -> AsyncIterator[config.Settings]:
    """An installation that runs, with one shop and one picture."""
    own = msgspec.structs.replace(config.settings(), data_dir=folder / "data")
    shared = db.use(None)
    async with processes.connected(own):
        await open_shop("before")
        (own.media_dir / "ab").mkdir(parents=True)
        (own.media_dir / "ab" / "tea.webp").write_bytes(b"tea")
        (own.data_dir / "keys.json").write_text("{}")
        yield own
    db.use(shared)


async def open_shop(code: str) -> None:
    async with system_transaction() as tx:
        await shops.create_shop(tx, System(), code=code, name=code)


async def shops_in(home: Path) -> list[str]:
    async with postgres.embedded(home) as cluster:
        connection = await asyncpg.connect(cluster.owner_url("siyu"))
        found = await connection.fetch("select code from shops.shops order by code")
        await connection.close()
    return [row["code"] for row in found]


async def test_F121_any_moment_since_the_copy_comes_back(
    installed: config.Settings, folder: Path
) -> None:
    source = backup.folder_of(installed)
    copy = await backup.back_up(installed)
    await open_shop("after")
    await asyncio.sleep(0.05)
    moment = datetime.now(UTC)
    await asyncio.sleep(0.05)
    await open_shop("later")
    (installed.media_dir / "ab" / "coffee.webp").write_bytes(b"coffee")
    assert await backup.ship(installed) >= 1

    then = await backup.restore(source, folder / "then", moment)
    assert (then.copy, then.violations, then.line) == (copy.name, 0, "balanced, 0 violations")
    assert await shops_in(folder / "then/postgres") == ["after", "before"]
    assert then.last_commit_at is not None and then.last_commit_at <= moment

    latest = await backup.restore(source, folder / "latest")
    assert latest.violations == 0
    assert await shops_in(folder / "latest/postgres") == ["after", "before", "later"]
    assert (folder / "latest/media/ab/coffee.webp").read_bytes() == b"coffee"
    assert (folder / "latest/keys.json").read_text() == "{}"
    # The restored server takes writes, and its log is its own again.
    assert not (folder / "latest/postgres/restored_log").exists()
    auto = (folder / "latest/postgres/pgdata/postgresql.auto.conf").read_text()
    assert "recovery_target" not in auto and "restore_command" not in auto


async def test_F121_F122_a_drill_finds_everything(installed: config.Settings) -> None:
    done = await backup.drill(installed)
    assert done.ok and done.orders_lost == 0
    assert done.restored.line == "balanced, 0 violations"
    assert not Path(done.restored.data_dir).exists(), "a drill leaves nothing behind"


async def test_a_restore_refuses_what_it_cannot_do(
    installed: config.Settings, folder: Path
) -> None:
    source = backup.folder_of(installed)
    with pytest.raises(BackupFailed, match="no copy"):
        await backup.restore(source, folder / "new")
    await backup.back_up(installed)
    with pytest.raises(BackupFailed, match="not empty"):
        await backup.restore(source, installed.data_dir)
    with pytest.raises(BackupFailed, match="no copy"):
        await backup.restore(source, folder / "new", datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(BackupFailed, match="reaches to"):
        await backup.restore(source, folder / "new", datetime.now(UTC) + timedelta(days=1))
    assert not (folder / "new").exists()


async def test_F122_a_damaged_copy_is_found_out(installed: config.Settings, folder: Path) -> None:
    copy = await backup.back_up(installed)
    source = backup.folder_of(installed)
    file = source / "base" / copy.name / "postgres.tar.gz"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackupFailed):
        await backup.restore(source, folder / "half")
    plain = bytearray(gzip.decompress(whole))
    at = plain.index(b"siyu_owner")  # inside a table of the catalogue
    plain[at : at + 4] = b"evil"
    file.write_bytes(gzip.compress(bytes(plain), 1))
    with pytest.raises(BackupFailed, match="checksum mismatch"):
        await backup.restore(source, folder / "changed")


async def test_F122_a_gap_in_the_log_is_no_silent_loss(
    installed: config.Settings, folder: Path
) -> None:
    await backup.back_up(installed)
    source = backup.folder_of(installed)
    await open_shop("in-the-gap")
    await backup.ship(installed)
    gone = sorted((source / "log").glob("0*.gz"))[-1]
    await open_shop("after-the-gap")
    await asyncio.sleep(0.05)
    moment = datetime.now(UTC)
    await backup.ship(installed)
    gone.unlink()
    with pytest.raises(BackupFailed, match="recovery ended before"):
        await backup.restore(source, folder / "gap", moment)


async def test_old_copies_and_their_log_are_let_go(
    installed: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "KEPT_COPIES", 1)
    first = await backup.back_up(installed)
    await asyncio.sleep(1.1)  # copies are named by the second
    second = await backup.back_up(installed)
    source = backup.folder_of(installed)
    assert [copy.name for copy in backup.list_copies(source)] == [second.name]
    left = [file.stem for file in (source / "log").glob("0*.gz")]
    assert first.first_segment not in left
    assert all(name[8:24] >= second.first_segment[8:] for name in left)


async def test_the_worker_ships_only_after_a_first_copy(
    installed: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = config.settings()
    config.use(installed)
    try:
        await backup.ship_every_minute()
        assert not backup.folder_of(installed).exists()
        await backup.back_up(installed)
        log = backup.folder_of(installed) / "log"
        count = len(list(log.glob("0*.gz")))
        await open_shop("new")
        await backup.ship_every_minute()
        assert len(list(log.glob("0*.gz"))) > count
    finally:
        config.use(before)


async def test_F122_the_doctor_knows_how_old_the_copy_is(
    installed: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = Patient(installed, None, None)
    assert (await doctor_checks.check_backups(patient)).state == "warn"
    await backup.back_up(installed)
    assert (await doctor_checks.check_backups(patient)).state == "ok"
    with clock.turned(clock.now() + timedelta(hours=1)):
        assert (await doctor_checks.check_backups(patient)).state == "fail", "the log is silent"
    with clock.turned(clock.now() + timedelta(days=3)):
        assert (await doctor_checks.check_backups(patient)).state == "warn"
    served = msgspec.structs.replace(installed, database_url="postgresql://elsewhere/siyu")
    assert (await doctor_checks.check_backups(Patient(served, None, None))).state == "skip"


async def test_a_served_database_is_told_to_use_its_own_tools(folder: Path) -> None:
    served = msgspec.structs.replace(config.settings(), data_dir=folder / "nothing")
    with pytest.raises(BackupFailed, match="its own tools"):
        await backup.back_up(served)
    assert postgres_backup.forget_log(folder, "0" * 24) == 0
