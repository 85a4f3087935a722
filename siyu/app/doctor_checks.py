"""What the doctor examines of the installation itself: database, keys, disk, worker, address."""

import asyncio
import shutil
import stat
import tempfile
import urllib.parse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from siyu.app import backup
from siyu.kernel import clock, config, crypto, db, migrate
from siyu.kernel.auth import ShopIdentity
from siyu.kernel.db import system_transaction
from siyu.merchant.shops.contracts import WeChatSettings
from siyu.warehouse.registry import service as registry

State = Literal["ok", "warn", "fail", "skip"]
Text = tuple[str, str]
"""One sentence, Chinese and English."""

WORKER_SILENT = timedelta(seconds=90)
BACKUP_OLD = timedelta(days=2)
LOG_SILENT = timedelta(minutes=10)
DISK_WARN, DISK_FAIL = 0.80, 0.95
OLDEST_POSTGRES = 15
EVENTS_WAIT_S = 900  # the open slot waits so long on purpose
EVENTS_LATE_S = 900
ERASING_LATE_S = 3_600


class Finding(msgspec.Struct, frozen=True):
    """A finding in both languages."""

    state: State
    found: Text
    next_step: Text | None = None


class Patient(msgspec.Struct, frozen=True):
    """What is examined: the installation, and one shop of it when named."""

    settings: config.Settings
    shop: ShopIdentity | None
    wechat: WeChatSettings | None


def ok(chinese: str, english: str) -> Finding:
    """A finding without a next step."""
    return Finding("ok", (chinese, english))


class _Server(msgspec.Struct, frozen=True):
    version: int
    fsync: str
    full_page_writes: str
    synchronous_commit: str


class _Name(msgspec.Struct, frozen=True):
    name: str


async def check_database(patient: Patient) -> Finding:
    """Version and the settings that keep acknowledged orders over a power cut (F115)."""
    async with system_transaction() as tx:
        server = await tx.one(
            _Server,
            """select current_setting('server_version_num')::int as version,
                 current_setting('fsync') as fsync,
                 current_setting('full_page_writes') as full_page_writes,
                 current_setting('synchronous_commit') as synchronous_commit""",
        )
    major = server.version // 10_000
    unsafe = [
        name
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if getattr(server, name) == "off"
    ]
    found = (f"PostgreSQL {major}", f"PostgreSQL {major}")
    if major < OLDEST_POSTGRES:
        step = (f"升级到 PostgreSQL {OLDEST_POSTGRES} 或更新", f"Use {OLDEST_POSTGRES} or newer")
        return Finding("fail", found, step)
    if unsafe:
        names = ", ".join(unsafe)
        return Finding(
            "fail",
            (f"{names} = off，断电会丢失订单", f"{names} = off: a power cut loses orders"),
            (f"在 postgresql.conf 中打开 {names}", f"Switch {names} on in postgresql.conf"),
        )
    if patient.settings.database_url is None:
        return Finding(
            "warn",
            (f"内置 PostgreSQL {major}", f"Embedded PostgreSQL {major}"),
            (
                "正式经营请用 database_url 指向独立维护的 PostgreSQL",
                "For a real business point database_url to a maintained PostgreSQL",
            ),
        )
    return Finding("ok", found)


async def check_fences(_: Patient) -> Finding:
    """The roles of the program own nothing, and every table of shops is fenced (F078)."""
    async with system_transaction() as tx:
        mighty = await tx.all(
            _Name,
            """select rolname::text as name from pg_roles
               where rolname in ('siyu_app', 'siyu_system') and (rolsuper or rolbypassrls)
               union
               select o.rolname::text from pg_class c
               join pg_roles o on o.oid = c.relowner
               where o.rolname in ('siyu_app', 'siyu_system') order by name""",
        )
        open_tables = await tx.all(
            _Name,
            """select c.oid::regclass::text as name from pg_class c
               join pg_namespace n on n.oid = c.relnamespace
               where c.relkind in ('r', 'p') and not c.relforcerowsecurity
                 and n.nspname not in ('pg_catalog', 'information_schema', 'warehouse')
                 and exists (select from pg_attribute a where a.attrelid = c.oid
                   and a.attname = 'shop_id' and not a.attisdropped)
               order by name""",
        )
    if mighty or open_tables:
        names = ", ".join(row.name for row in mighty + open_tables)
        return Finding(
            "fail",
            (f"店铺之间没有隔离：{names}", f"Shops are not fenced: {names}"),
            (
                "去掉这些角色的特权，并重新运行 siyu migrate",
                "Take the privileges off these roles and run siyu migrate",
            ),
        )
    return ok("行级安全已对所有店铺数据强制启用", "Row-level security is forced for all shops")


async def check_migrations(_: Patient) -> Finding:
    """Every step this program brings has been applied."""
    pending = await migrate.pending(db.database().url)
    if pending:
        return Finding(
            "fail",
            (f"有 {len(pending)} 个数据库升级未执行", f"{len(pending)} migrations are pending"),
            ("运行 siyu migrate", "Run siyu migrate"),
        )
    return ok("数据库结构为最新", "The schema is up to date")


async def check_events(_: Patient) -> Finding:
    """The compactor keeps up, erasures end, and clients send what is taken."""
    health = await registry.get_health()
    late = max(health.sealed_s, health.open_s - EVENTS_WAIT_S)
    if late > EVENTS_LATE_S:
        minutes = round(late / 60)
        return Finding(
            "fail",
            (f"事件压缩落后 {minutes} 分钟", f"Compaction is {minutes} minutes behind"),
            ("确认后台进程在运行，并查看日志", "See that the worker runs, and its log"),
        )
    if health.erasing_s > ERASING_LATE_S:
        return Finding(
            "warn",
            ("有人的数据一小时后仍未删净", "A person is not forgotten after an hour"),
            (
                "运行 siyu warehouse compact，并关闭长时间打开的查询",
                "Run siyu warehouse compact, and close queries that stay open",
            ),
        )
    share = health.rejects / max(1, health.rejects + health.events)
    found = (
        f"近两日收下 {health.events}，拒绝 {health.rejects}",
        f"Two days: {health.events} taken, {health.rejects} refused",
    )
    if health.rejects > 100 and share > 0.05:
        step = ("在「事件管理」查看原因", "See the reasons under Event types")
        return Finding("warn", found, step)
    return Finding("ok", found)


async def check_keys(patient: Patient) -> Finding:
    """The key file is there, private (mode 0600, F128), and opens what it seals."""
    path = patient.settings.key_file
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return Finding(
            "fail",
            (f"找不到密钥文件 {path}", f"The key file {path} is missing"),
            ("从备份恢复密钥文件", "Restore the key file from a backup"),
        )
    if mode & 0o077:
        return Finding(
            "fail",
            (f"密钥文件权限为 {mode:04o}", f"The key file's mode is {mode:04o}"),
            (f"chmod 600 {path}", f"chmod 600 {path}"),
        )
    probe = crypto.vault().seal("siyu")
    assert crypto.vault().open(probe) == "siyu"
    return ok("密钥文件权限 0600，可加解密", "Mode 0600, seals and opens")


def _writable(folder: Path) -> Finding | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"siyu")
    except OSError as error:
        return Finding(
            "fail",
            (f"无法写入 {folder}：{error.strerror}", f"Cannot write {folder}: {error.strerror}"),
            (f"检查 {folder} 的属主和权限", f"Check who owns {folder}"),
        )
    return None


async def check_storage(patient: Patient) -> Finding:
    """Data and media folders can be written, and the disk has room."""
    for folder in (patient.settings.data_dir, patient.settings.media_dir):
        refused = await asyncio.to_thread(_writable, folder)
        if refused:
            return refused
    usage = shutil.disk_usage(patient.settings.data_dir)
    full = 1 - usage.free / usage.total
    found = (
        f"数据与图片目录可写，磁盘已用 {full:.0%}",
        f"Data and media folders are writable, the disk is {full:.0%} full",
    )
    if full < DISK_WARN:
        return Finding("ok", found)
    state: State = "fail" if full >= DISK_FAIL else "warn"
    return Finding(state, found, ("清理或扩容磁盘", "Free or add disk space"))


async def check_worker(_: Patient) -> Finding:
    """A worker has ticked lately."""
    async with system_transaction() as tx:
        ticked_at: datetime | None = await tx.value("select max(ticked_at) from kernel.ticks")
    if ticked_at is None or clock.now() - ticked_at > WORKER_SILENT:
        since = ticked_at.astimezone(UTC).isoformat(timespec="seconds") if ticked_at else "—"
        return Finding(
            "fail",
            (f"后台进程没有运行（上次：{since}）", f"No worker is running (last: {since})"),
            ("启动 siyu worker 或 siyu serve", "Start siyu worker or siyu serve"),
        )
    return ok("后台进程正在运行", "A worker is running")


async def check_backups(patient: Patient) -> Finding:
    """There is a copy, it is young, and the log since then arrives beside it."""
    if patient.settings.database_url is not None:
        return Finding(
            "skip",
            (
                "外部 PostgreSQL 由其自身工具备份",
                "A served PostgreSQL is backed up by its own tools",
            ),
            ("并备份数据目录", "Copy the data folder beside it"),
        )
    now = clock.now()
    folder = backup.folder_of(patient.settings)
    copies = await asyncio.to_thread(backup.list_copies, folder)
    step = ("运行 siyu backup，并设为每日任务", "Run siyu backup, every day")
    if not copies:
        return Finding("warn", ("还没有备份", "There is no backup yet"), step)
    made, reach = copies[-1].until, await asyncio.to_thread(backup.reach_of, folder)
    said = (f"最近备份 {made:%Y-%m-%d %H:%M} UTC", f"Last copy {made:%Y-%m-%d %H:%M} UTC")
    if now - made > BACKUP_OLD:
        return Finding("warn", said, step)
    if reach is None or now - reach > LOG_SILENT:
        return Finding(
            "fail",
            (f"{said[0]}，但日志不再送达", f"{said[1]}, but its log no longer arrives"),
            ("检查后台进程与备份目录", "Check the worker and the backup folder"),
        )
    return Finding("ok", said)


async def check_address(patient: Patient) -> Finding:
    """The address that customers, staff and WeChat use is encrypted."""
    url = patient.settings.public_url
    address = urllib.parse.urlsplit(url)
    if address.scheme == "https":
        return ok(url, url)
    if address.hostname in ("127.0.0.1", "::1", "localhost"):
        return Finding(
            "warn",
            (f"{url} 只能在本机访问", f"{url} is reachable from this machine only"),
            (
                "正式经营请配置 https 域名，并设置 public_url",
                "For a real business set public_url to an https domain",
            ),
        )
    return Finding(
        "fail",
        (f"{url} 没有加密，登录信息可被窃听", f"{url} is not encrypted: log-ins can be read"),
        ("为域名启用 https，并设置 public_url", "Serve https and set public_url to it"),
    )
